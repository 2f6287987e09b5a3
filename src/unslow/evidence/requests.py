"""Response times: as a caller sees them, and as the application reports them."""

from __future__ import annotations

import msgspec

GIVEN_UP = -1
"""Status of a request that was still under way when the look ended: its time is a lower bound."""


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that unslow sent itself, open loop; the lists are parallel, in due order.

    A response time counts from the moment the request was due, so that a stalled
    sender cannot hide a stalled server (coordinated omission).
    """

    due_s: tuple[float, ...]
    """Offset from the start of the window."""
    wait_s: tuple[float, ...]
    """Due until the first system call for this request."""
    dns_s: tuple[float, ...]
    connect_s: tuple[float, ...]
    tls_s: tuple[float, ...]
    first_byte_s: tuple[float, ...]
    """Request written until first byte of the answer."""
    body_s: tuple[float, ...]
    status: tuple[int, ...]
    """0: no answer within the deadline, or connection refused; `GIVEN_UP`."""
    timeout_s: float = 30.0

    @property
    def total_s(self) -> tuple[float, ...]:
        parts = (self.wait_s, self.dns_s, self.connect_s, self.tls_s, self.first_byte_s, self.body_s)
        return tuple(map(sum, zip(*parts, strict=True)))


class RouteTimer(msgspec.Struct, frozen=True, kw_only=True):
    """One histogram (or sum and count) of one route: differences over the window."""

    route: str
    method: str = ""
    status: str = ""
    count: float
    sum_s: float
    buckets: tuple[tuple[float, float], ...] = ()
    """(upper edge in seconds, cumulative count); the last edge may be infinity, written as 1e308."""


class Timers(msgspec.Struct, frozen=True, kw_only=True):
    """The application's own `/metrics` page, scraped at the start and the end of the window."""

    url: str
    metric: str
    """Name of the duration metric that was found."""
    routes: tuple[RouteTimer, ...]
    lifetime: tuple[RouteTimer, ...] = ()
    """The same counters since the process started, up to the start of the window."""
    scrapes: int = 2
    resets: int = 0
    """How often a counter went backwards between scrapes: several processes answer in turn."""
    in_flight: float | None = None
    process_start_s: float | None = None
