"""What the kernel knows of the target's connections: queues, peers, round trips."""

from __future__ import annotations

import msgspec


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the application calls."""

    address: str
    """host:port as the application connects to it."""
    kind: str
    """postgresql, redis, http, dns or unknown."""
    name: str
    """Command name of the process that listens there, or the address when it is not on this machine."""
    open_mean: float
    """Mean number of established connections from the application."""
    opened_per_s: float | None = None
    """New connections a second; needs TIME_WAIT or repeated readings."""
    aborted_per_s: float | None = None
    """Connections a second that the application closed before an answer came."""
    requests_per_s: float | None = None
    asked_mean: float | None = None
    """Mean number of the application's connections on which a question was out and its answer had not begun."""
    rtt_s: float | None = None
    retransmits_per_s: float = 0.0
    busy_mean: float | None = None
    """Mean number of threads of the final server that were inside a request; None when it is not on this machine."""
    waiting_mean: float | None = None
    """Mean number of its connections with unread bytes or in its accept queue."""
    hops: tuple[str, ...] = ()
    """Names of relays (proxies) found between the application and the final server, in order."""


class Sockets(msgspec.Struct, frozen=True, kw_only=True):
    """Readings of the listening port, about 25 a second, while latency was measured."""

    readings: int
    accept_queue_mean: float
    """Connections that nobody has accepted yet (sync workers queue here)."""
    accept_queue_max: int
    accept_queue_limit: int
    unread_mean: float
    """Accepted connections with bytes that nobody has read yet (gthread queues here)."""
    established_mean: float
    requests_per_s: float | None
    """From the kernel's own counts on the port: all callers, all routes."""
    rtt_s: float | None = None
    retransmits_per_s: float = 0.0
    closings_per_s: float | None = None
    """Connections to the port that ended during the window."""
    earlier_closings_per_s: float | None = None
    """The same about three quarters of a minute before it: the kernel remembers closed connections for a minute."""
    peers: tuple[Peer, ...] = ()
