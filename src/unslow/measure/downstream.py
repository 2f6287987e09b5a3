"""Calls to other services, split into their work and the way there.

The caller's stacks say how long it waited. Where the called server is on this machine, its busy
request threads and its queue say, by Little's law, how much of that it spent itself; the rest is
on the way: a relay, or the network.
"""

from __future__ import annotations

from math import hypot

from unslow.evidence import Evidence
from unslow.evidence.sockets import Peer
from unslow.measure.part import Part
from unslow.measure.rate import request_rate_per_s


def downstream_parts(evidence: Evidence, stacks: list[Part]) -> tuple[Part, ...]:
    """Divide the stacks' time in outgoing calls; the sum does not change."""
    rate = request_rate_per_s(evidence)
    total_s = sum(part.seconds for part in stacks)
    shares = http_shares(evidence)
    if not shares or total_s <= 0:
        return tuple(stacks)
    se_s = hypot(*(part.se_s for part in stacks))
    return tuple(
        part for peer, share in shares for part in _work_and_way(peer, share * total_s, share**0.5 * se_s, rate)
    )


def _work_and_way(peer: Peer, total_s: float, se_s: float, rate: float | None) -> tuple[Part, ...]:
    serving_s = served_s(peer, rate)
    if serving_s is None or serving_s >= total_s:
        return (_part("downstream", f"calls to {peer.name}", peer, total_s, se_s),)
    return (
        _part("downstream", f"calls to {peer.name}", peer, serving_s, se_s * serving_s / total_s),
        _part("network", f"between here and {peer.name}", peer, total_s - serving_s, se_s * (1 - serving_s / total_s)),
    )


def http_shares(evidence: Evidence) -> list[tuple[Peer, float]]:
    """The services called over HTTP with each one's share of the time that answers were awaited.

    Empty when nobody is called, or when several are and the kernel did not say which of them was awaited.
    """
    peers = http_peers(evidence)
    if len(peers) == 1:
        return [(peers[0], 1.0)]
    awaited = sum(peer.asked_mean or 0.0 for peer in peers)
    if awaited <= 0 or any(peer.asked_mean is None for peer in peers):
        return []
    return [(peer, (peer.asked_mean or 0.0) / awaited) for peer in peers if peer.asked_mean]


def http_peers(evidence: Evidence) -> list[Peer]:
    """The services called over HTTP; the only one whose protocol nobody knows, when no other can be meant."""
    peers = evidence.sockets.peers if evidence.sockets else ()
    unknown = [peer for peer in peers if peer.kind == "unknown"]
    return [peer for peer in peers if peer.kind == "http"] or (unknown if len(unknown) == 1 else [])


def only_http_peer(evidence: Evidence) -> Peer | None:
    """The service that is called over HTTP, when there is exactly one: then stacks need no telling apart."""
    peers = http_peers(evidence)
    return peers[0] if len(peers) == 1 else None


def served_s(peer: Peer, rate_per_s: float | None) -> float | None:
    """Seconds per request of the application that the called server itself was busy or queueing."""
    if not rate_per_s or peer.busy_mean is None:
        return None
    return (peer.busy_mean + (peer.waiting_mean or 0.0)) / rate_per_s


def _part(kind: str, place: str, peer: Peer, seconds: float, se_s: float) -> Part:
    return Part(
        kind=kind, place=place, seconds=seconds, se_s=se_s, evidence=("profile", "sockets.peers"), detail=peer.address
    )
