"""How much more arrives now than before: against the baseline, else against counters' lifetime or a time series."""

from __future__ import annotations

from statistics import median

import msgspec

from unslow.evidence import Evidence
from unslow.evidence.queries import Queries
from unslow.evidence.requests import Timers
from unslow.evidence.series import Series
from unslow.evidence.sockets import Sockets
from unslow.evidence.window import Window
from unslow.measure.rate import request_rate_per_s

LONG_ENOUGH_S = 600.0
"""A shorter life is no history: most of it may be start-up before the first visitor."""
LEAST_POINTS = 10
SOME_PER_S = 1.0
"""Against less traffic than this everything is a surge."""


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    now: float
    before: float
    unit: str
    source: str
    certain: bool
    """False: from a proxy quantity that other faults move too."""

    @property
    def ratio(self) -> float:
        return self.now / self.before if self.before else 1.0


def growth(
    rate_per_s: float | None,
    window: Window,
    reference: Evidence | None,
    timers: Timers | None,
    queries: Queries | None,
    sockets: Sockets | None = None,
    series: Series | None = None,
) -> Growth | None:
    """The first comparison that the evidence allows, surest first; None when there is none."""
    before = request_rate_per_s(reference) if reference else None
    if before and rate_per_s:
        return Growth(now=rate_per_s, before=before, unit="requests/s", source="in the baseline", certain=True)
    grown = _of_sockets(sockets) or _of_timers(timers, window) or _of_series(series) or _of_queries(queries)
    return grown if grown and grown.before >= SOME_PER_S else None


def _of_sockets(sockets: Sockets | None) -> Growth | None:
    if sockets is None or not sockets.closings_per_s or not sockets.earlier_closings_per_s:
        return None
    grown = Growth(
        now=sockets.closings_per_s,
        before=sockets.earlier_closings_per_s,
        unit="connections/s",
        source="three quarters of a minute before",
        certain=True,
    )
    # A minute is no history of quiet: only a rise within it says something.
    return grown if grown.ratio > 1.0 and grown.before >= SOME_PER_S else None


def _of_timers(timers: Timers | None, window: Window) -> Growth | None:
    if timers is None or timers.process_start_s is None or timers.resets or window.seconds <= 0:
        return None
    life_s = window.start_s - timers.process_start_s
    if life_s < LONG_ENOUGH_S:
        return None
    return Growth(
        now=sum(timer.count for timer in timers.routes) / window.seconds,
        before=sum(timer.count for timer in timers.lifetime) / life_s,
        unit="requests/s",
        source=f"on average over the {life_s:.0f} s before",
        certain=True,
    )


def _of_series(series: Series | None) -> Growth | None:
    """The latest rate against the middle one of all before it, of the same series."""
    rates = [one.requests_per_s for one in (series.points if series else ()) if one.requests_per_s is not None]
    if series is None or len(rates) < LEAST_POINTS:
        return None
    *earlier, now = rates
    return Growth(
        now=now,
        before=median(earlier),
        unit="requests/s",
        source=f"usual in the {len(earlier) * series.step_s / 60:.0f} min before",
        certain=True,
    )


def _of_queries(queries: Queries | None) -> Growth | None:
    if queries is None or not queries.statements or not queries.lifetime_s or queries.seconds <= 0:
        return None
    if queries.lifetime_s < LONG_ENOUGH_S:
        return None
    most = max(queries.statements, key=lambda statement: statement.calls)
    return Growth(
        now=most.calls / queries.seconds,
        before=most.lifetime_calls / queries.lifetime_s,
        unit="calls/s of the most frequent statement",
        source=f"on average over the {queries.lifetime_s:.0f} s before",
        certain=False,
    )
