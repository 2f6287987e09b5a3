"""TCP segments of the network namespace that the workers run in: in a pod its own, on a machine everybody's."""

from __future__ import annotations

import msgspec


class Packets(msgspec.Struct, frozen=True, kw_only=True):
    """Differences over `seconds`, about the latency window."""

    seconds: float
    segments_out: int
    retransmitted: int
    opening_retransmitted: int
    """Of these, those that open a connection (SYN): each costs at least a second."""
    timeouts: int
    """Retransmission timeouts, with those of opening."""
