"""What a capture says about a slow service: figures, the connections that waited most, and a sentence for each fact."""

from __future__ import annotations

import ipaddress
from typing import Any

import msgspec
import numpy as np

from unslow.errors import BadInput
from unslow.packets.columns import Columns, columns
from unslow.packets.names import Names, names
from unslow.packets.records import REMEDY, Records, read
from unslow.packets.talks import Floats, Talks, talks

WORST = 10
LOSSY_RATIO = 0.01
"""Of the data segments sent again: from here on the verdict speaks of loss."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of `n` measurements."""

    n: int
    mean_ms: float
    median_ms: float
    p95_ms: float
    worst_ms: float


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """`client` and `server` as address and port; the times are means per request; null where it was not seen."""

    client: str
    server: str
    packets: int
    requests: int
    handshake_ms: float | None
    network_ms: float | None
    server_ms: float | None
    client_ms: float | None
    retransmitted: int
    zero_windows: int
    resets: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    schema: str = "unslow.packets/2"
    packets: int
    seconds: float
    connections: int
    requests: int
    handshake: Spread | None
    opening: Spread | None
    """From the first SYN, with those that were lost."""
    network: Spread | None
    server: Spread | None
    client: Spread | None
    data_segments: int
    retransmitted: int
    """Data segments; `opening_again` and `closing_again` are those of SYN and FIN."""
    opening_again: int
    closing_again: int
    zero_windows: int
    resets: int
    dns: Spread | None
    dns_unanswered: int
    dns_asked_again: int
    dns_failures: dict[str, int]
    duplicates: int
    worst: tuple[Connection, ...]
    means: tuple[str, ...]
    limits: tuple[str, ...]
    """What this capture cannot show, and why."""


def verdict(content: Any, port: int | None = None) -> Verdict:
    """`content`: the bytes of a pcap or pcapng file, or a map of them. Raises `BadInput` where it is none."""
    records = read(content)
    if not len(records.start) and records.notes:
        raise BadInput(records.notes[0], REMEDY)
    seen = columns(content, records)
    return _verdict(content, records, seen, talks(seen.segments, port), names(seen.questions))


def _verdict(content: Any, records: Records, seen: Columns, told: Talks, asked: Names) -> Verdict:
    time = (int(records.at_ns.max()) - int(records.at_ns.min())) / 1e9 if len(records.at_ns) else 0.0
    timed = ~np.isnan(told.rtt_ms[told.request_of])
    found = Verdict(
        packets=len(records.start),
        seconds=time,
        connections=len(told.ip),
        requests=len(told.request_of),
        handshake=_spread(told.rtt_ms),
        opening=_spread(told.opening_ms),
        network=_spread(told.network_ms[timed]),
        server=_spread(told.server_ms),
        client=_spread(told.client_ms),
        data_segments=told.data_segments,
        retransmitted=int(told.sent_again.sum()),
        opening_again=int(told.opening_again.sum()),
        closing_again=int(told.closing_again.sum()),
        zero_windows=int(told.zero_windows.sum()),
        resets=int(told.resets.sum()),
        dns=_spread(np.array(asked.ms, np.float64)),
        dns_unanswered=asked.unanswered,
        dns_asked_again=asked.asked_again,
        dns_failures=dict(sorted(asked.failures.items())),
        duplicates=told.duplicates,
        worst=_worst(content, told),
        means=(),
        limits=(*records.notes, *_limits(seen, told, timed)),
    )
    return msgspec.structs.replace(found, means=_means(found))


def _spread(values: Floats) -> Spread | None:
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    middle, high = np.percentile(values, [50, 95])
    return Spread(
        n=len(values),
        mean_ms=float(values.mean()),
        median_ms=float(middle),
        p95_ms=float(high),
        worst_ms=float(values.max()),
    )


def _worst(content: Any, told: Talks) -> tuple[Connection, ...]:
    """Those whose requests waited longest, all requests of the connection together."""
    count = len(told.ip)
    requests = np.bincount(told.request_of, minlength=count)
    server = np.bincount(told.request_of, told.server_ms, minlength=count)
    network = np.bincount(told.request_of, told.network_ms, minlength=count)
    turns = np.bincount(told.client_of, minlength=count)
    thinking = np.bincount(told.client_of, told.client_ms, minlength=count)
    waited = server + network + np.nan_to_num(told.opening_ms)
    again = told.sent_again + told.opening_again + told.closing_again
    found = []
    for number in np.argsort(-waited, kind="stable")[:WORST].tolist():
        ends = _ends(content, int(told.ip[number]))
        client, server_end = ends[::-1] if told.turned[number] else ends
        asked, rtt = int(requests[number]), float(told.rtt_ms[number])
        found.append(
            Connection(
                client=client,
                server=server_end,
                packets=int(told.packets[number]),
                requests=asked,
                handshake_ms=None if np.isnan(rtt) else rtt,
                network_ms=None if np.isnan(rtt) or not asked else float(network[number]) / asked,
                server_ms=float(server[number]) / asked if asked else None,
                client_ms=float(thinking[number]) / int(turns[number]) if turns[number] else None,
                retransmitted=int(again[number]),
                zero_windows=int(told.zero_windows[number]),
                resets=int(told.resets[number]),
            )
        )
    return tuple(found)


def _ends(content: Any, at: int) -> tuple[str, str]:
    """Address and port of both ends of the packet whose IP header is at `at`."""
    header = bytes(content[at : at + 120])
    if header[0] >> 4 == 4:
        body, size, first = (header[0] & 15) * 4, 4, 12
    else:
        body, size, first, protocol = 40, 16, 8, header[6]
        while protocol in (0, 43, 60) and body + 8 < len(header):
            protocol, body = header[body], body + (header[body + 1] + 1) * 8
    ports = [int.from_bytes(header[body + step : body + step + 2], "big") for step in (0, 2)]
    names = []
    for step, port in enumerate(ports):
        address = ipaddress.ip_address(header[first + size * step : first + size * (step + 1)])
        names.append(f"{address}:{port}" if size == 4 else f"[{address}]:{port}")
    return names[0], names[1]


def _limits(seen: Columns, told: Talks, timed: Any) -> list[str]:
    found, count = [], len(told.ip)
    if len(timed) and not timed.all():
        found.append(
            f"{int((~timed).sum())} of {len(timed)} requests are on connections whose opening was not captured: "
            "their server time includes the way there and back"
        )
    if told.one_sided.any():
        found.append(
            f"{int(told.one_sided.sum())} of {count} connections show one direction only: capture on a port that sees both"
        )
    if told.missing.any():
        found.append(
            f"on {int(told.missing.sum())} of {count} connections bytes were acknowledged that the capture missed"
        )
    if told.duplicates:
        found.append(f"{told.duplicates} copies of packets seen on two interfaces were counted once")
    if seen.fragments:
        found.append(f"{seen.fragments} fragments of IP packets were not read")
    if told.guessed.any():
        found.append(f"on {int(told.guessed.sum())} of {count} connections the higher port was taken for the client's")
    return found


def _means(one: Verdict) -> tuple[str, ...]:
    if not one.packets:
        return ("No packet in that time: capture while there is traffic.",)
    told = []
    if one.server is not None and one.network is not None:
        side = "network" if one.network.mean_ms > one.server.mean_ms else "server"
        told.append(
            f"Network {one.network.mean_ms:.1f} ms, server {one.server.mean_ms:.1f} ms per request: "
            f"most of the time is spent in the {side}."
        )
    elif one.server is not None:
        told.append(
            f"Network and server together {one.server.mean_ms:.1f} ms per request; no opening was seen that would part them."
        )
    else:
        told.append("No request with its answer was seen.")
    ratio = one.retransmitted / one.data_segments if one.data_segments else 0.0
    again = one.opening_again + one.closing_again
    if ratio > LOSSY_RATIO or one.opening_again:
        told.append(
            f"{one.retransmitted} of {one.data_segments} data segments ({ratio:.1%}) came again or late, "
            f"and {again} that open or close a connection: packets are lost or overtake each other."
        )
    if one.zero_windows:
        told.append(f"{one.zero_windows} zero windows: a receiver does not read fast enough.")
    if one.resets:
        told.append(f"{one.resets} resets: connections were cut, not closed.")
    if one.dns_unanswered or one.dns_failures:
        failed = ", ".join(f"{count} {code}" for code, count in one.dns_failures.items())
        told.append(f"DNS: {one.dns_unanswered} questions without an answer; failures: {failed or 'none'}.")
    return tuple(told)
