"""A verdict on a capture as lines for a terminal."""

from __future__ import annotations

from unslow.packets.verdict import Spread, Verdict


def lines(one: Verdict) -> list[str]:
    """The sentences first, then the figures, then what the capture cannot show."""
    told = [*one.means, "", *figures(one)]
    if one.worst:
        told += ["", "Connections that waited most (ms per request):"]
    told += [
        f"  {each.client} -> {each.server}  requests {each.requests}, network {_ms(each.network_ms)}, "
        f"server {_ms(each.server_ms)}, retransmitted {each.retransmitted}"
        for each in one.worst
    ]
    return [*told, *([""] if one.limits else []), *(f"note: {text}" for text in one.limits)]


def figures(one: Verdict) -> list[str]:
    return [
        f"{one.packets} packets in {one.seconds:.1f} s, {one.connections} connections, {one.requests} requests",
        f"handshake  {_spread(one.handshake)}",
        f"network    {_spread(one.network)}  (per request)",
        f"server     {_spread(one.server)}  (last byte of the request to first byte of the answer)",
        f"client     {_spread(one.client)}  (last byte of the answer to the next request)",
        f"DNS        {_spread(one.dns)}, {one.dns_unanswered} without an answer",
        f"{one.retransmitted} retransmitted of {one.data_segments} data segments, {one.opening_again} SYN and "
        f"{one.closing_again} FIN again, {one.zero_windows} zero windows, {one.resets} resets",
    ]


def _spread(one: Spread | None) -> str:
    if one is None:
        return "not seen"
    return f"mean {one.mean_ms:.2f} ms, median {one.median_ms:.2f}, p95 {one.p95_ms:.2f}, worst {one.worst_ms:.2f}, n {one.n}"


def _ms(value: float | None) -> str:
    return "not seen" if value is None else f"{value:.2f}"
