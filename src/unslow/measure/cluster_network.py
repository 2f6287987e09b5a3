"""Lost packets and full tables, from the kernel's counters of nodes and pods."""

from __future__ import annotations

from collections.abc import Iterable

from unslow.evidence.cluster import NodeNetwork

RETRANSMITTED = 0.01
"""One segment in a hundred: a healthy data centre network loses fewer than one in ten thousand."""
LEAST_SEGMENTS = 200
LEAST = 5
RTO_S = 0.2
"""The shortest retransmission timeout of Linux: what each timeout costs at least."""
PER_REQUEST = 0.02
"""Retransmissions per request of the target's own connections, from which waiting for them is worth a look."""
SYN_RTO_S = 1.0
"""What a lost packet of a connection that is being opened costs."""
NEARLY_FULL = 0.9


def retransmitted_ratio(part: NodeNetwork) -> float | None:
    """0..1; None when there were too few segments to say."""
    if part.retransmitted is None or part.segments_out is None or part.segments_out < LEAST_SEGMENTS:
        return None
    return part.retransmitted / part.segments_out


def loses_packets(part: NodeNetwork) -> bool:
    ratio = retransmitted_ratio(part)
    return ratio is not None and ratio >= RETRANSMITTED and (part.retransmitted or 0) >= LEAST


def makes_requests_wait(part: NodeNetwork, requests: float) -> bool:
    """Whether the timeouts of a pod's own connections are many for its requests, however much else it sends."""
    timeouts = part.timeouts or 0
    return part.scope == "pod" and timeouts >= LEAST and requests > 0 and timeouts >= PER_REQUEST * requests


def timeout_s_per_request(parts: Iterable[NodeNetwork], requests: float) -> float | None:
    """Seconds that retransmission timeouts add to a mean request, at least.

    Only counters of the pods' own network namespaces are about these requests; None without them.
    """
    own = [part for part in parts if part.scope == "pod" and part.timeouts is not None]
    if not own or requests <= 0:
        return None
    opening = sum(min(part.opening_retransmitted, part.timeouts or 0) for part in own)
    timeouts = sum(part.timeouts or 0 for part in own)
    return (opening * SYN_RTO_S + (timeouts - opening) * RTO_S) / requests


def conntrack_ratio(part: NodeNetwork) -> float | None:
    """Entries over the table's size, 0..1."""
    if part.conntrack_count is None or not part.conntrack_max:
        return None
    return part.conntrack_count / part.conntrack_max
