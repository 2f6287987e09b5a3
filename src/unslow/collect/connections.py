"""Counts connections and requests from repeated readings of the socket table.

A connection that is seen alive is counted by its data segments: one segment in is one request, as
long as a request fits one (a request whose body is sent apart counts twice on a kept-open
connection). A connection that lived only between two readings is counted by its TIME_WAIT row,
which keeps the moment of closing for a minute, on whichever side closed first; the two ends of a
local connection are one. Not seen: short connections that a caller on another machine closes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from unslow.collect.netlink import TIME_WAIT_S, Connection, Endpoint, TcpInfo
from unslow.evidence.window import Window

CLOSING_JITTER_S = 0.5
"""Readings of one TIME_WAIT row agree much closer; a port is used again after 1 s at the earliest."""


@dataclass(slots=True)
class _Seen:
    first_s: float
    last_s: float
    segs_in: int
    served: int
    retransmits: int


@dataclass(slots=True)
class Counter:
    """Events in time order; `within` counts those of a window."""

    at_s: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def add(self, at_s: float, number: int) -> None:
        if number > 0:
            self.at_s.append(at_s)
            self.numbers.append(number)

    def within(self, window: Window) -> int:
        return sum(n for at, n in zip(self.at_s, self.numbers, strict=True) if window.start_s <= at < window.end_s)


class Flow:
    """Connections between callers and one server, keyed by the caller's endpoint."""

    def __init__(self, *, caller: bool) -> None:
        """`caller`: rows show the calling side, so that requests go out instead of coming in."""
        self.opened, self.requests, self.retransmits = Counter(), Counter(), Counter()
        self.unseen = Counter()
        """Connections that only their TIME_WAIT rows tell of: one request each, and no owner."""
        self._caller = caller
        self._seen: dict[Endpoint, _Seen] = {}
        self._closed: dict[Endpoint, float] = {}
        self._started_s: float | None = None

    def living(self, rows: Iterable[tuple[Endpoint, Connection]], at_s: float) -> None:
        """One reading of the connections that are open, by the caller's endpoint."""
        first = self._started_s is None
        if first:
            self._started_s = at_s
        for key, row in rows:
            info = row.info
            segs_in = info.data_segs_in if info else 0
            served = self._served(info)
            seen = self._seen.get(key)
            if seen is None or segs_in < seen.segs_in:
                retransmits = info.retransmits if info else 0
                self._seen[key] = _Seen(at_s, at_s, segs_in, served, retransmits)
                if not first:
                    self.retransmits.add(at_s, retransmits)
                    self.opened.add(at_s, 1)
                    self.requests.add(at_s, served)
                continue
            self.requests.add(at_s, served - seen.served)
            if info:
                self.retransmits.add(at_s, info.retransmits - seen.retransmits)
                seen.retransmits = info.retransmits
            seen.last_s, seen.segs_in = at_s, segs_in
            seen.served = max(served, seen.served)

    def _served(self, info: TcpInfo | None) -> int:
        """Requests that began on a connection so far."""
        if info is None:
            return 0
        asked, answered = info.data_segs_in, info.data_segs_out
        if self._caller:
            asked, answered = answered, asked
        return min(asked, max(answered, 1))

    def closed(self, rows: Iterable[tuple[Endpoint, Connection]], at_s: float) -> None:
        """One reading of TIME_WAIT rows of either side, by the caller's endpoint."""
        for key, row in rows:
            closed_s = at_s - (TIME_WAIT_S - row.expires_s)
            known = self._closed.get(key)
            if known is not None and abs(known - closed_s) < CLOSING_JITTER_S:
                continue
            self._closed[key] = closed_s
            if self._started_s is None or closed_s < self._started_s:
                continue
            seen = self._seen.get(key)
            if seen is None or closed_s > seen.last_s + CLOSING_JITTER_S:
                self.unseen.add(closed_s, 1)
            elif seen.served == 0:
                self.requests.add(closed_s, 1)

    def closings_per_s(self, window: Window) -> float:
        """Connections that closed within `window`, which may lie up to a minute before the first reading."""
        closed = sum(window.start_s <= at_s < window.end_s for at_s in self._closed.values())
        return closed / window.seconds if window.seconds > 0 else 0.0


@dataclass(slots=True)
class Readings:
    """A quantity read many times, in time order."""

    at_s: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, at_s: float, value: float) -> None:
        self.at_s.append(at_s)
        self.values.append(value)

    def within(self, window: Window) -> list[float]:
        return self.values[bisect_left(self.at_s, window.start_s) : bisect_left(self.at_s, window.end_s)]

    def mean(self, window: Window) -> float | None:
        """None: not one reading in the window."""
        values = self.within(window)
        return sum(values) / len(values) if values else None
