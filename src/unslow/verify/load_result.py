"""What came of a load test, and what may be said of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from unslow.verify.histogram import Quantile
from unslow.verify.plan import Arrivals

LATE_S = 0.001
"""Our own lateness (p99) that is always good enough."""
LATE_RATIO = 0.1
"""Beyond that it may be a tenth of the p99 that it is part of; above, no verdict is given."""
RATE_ERROR_RATIO = 0.01
FAILED_RATIO = 0.01
BEHIND_RATIO = 0.98
"""Completed in the second half of the test, of what came due in it."""

Verdict = Literal["kept up", "fell behind", "failed", "no verdict"]


class Lateness(msgspec.Struct, frozen=True, kw_only=True):
    """How late we were ourselves: from the moment a request was due until we turned to it."""

    p50_s: float | None
    p99_s: float | None
    max_s: float


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """One block of the test's time."""

    at_s: float
    p50_s: float | None
    p99_s: float | None


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a load test. Response times count from the moment a request was due."""

    url: str
    method: str
    arrivals: Arrivals
    started: str
    """RFC 3339, UTC."""
    asked_per_s: float
    achieved_per_s: float
    """Requests sent a second, from the first to the last."""
    planned_s: float
    timeout_s: float
    due: int
    n: int
    """Response times behind the percentiles: answers of any status, and time-outs at their full length."""
    mean_s: float
    max_s: float
    percentiles: tuple[Quantile, ...]
    """Those that n allows."""
    statuses: tuple[tuple[int, int], ...]
    """(status, count)."""
    errors: tuple[tuple[str, int], ...]
    """(kind, count): timeout, refused, closed, reset, bad answer, ... and `status 503` from 400 up."""
    unfinished: int
    """Under way when the test was stopped; in no percentile."""
    lateness: Lateness
    connections_opened: int
    connections_at_once: int
    reconnects: int
    """Requests sent again because the server had just closed the kept connection."""
    held_back: int
    """Requests that waited because all allowed connections were in use; the wait counts."""
    received_bytes: int
    own_cpu_ratio: float
    """CPU of the generator: 1 is one core."""
    blocks: tuple[Second, ...]
    stopped: str
    """Why it ended early; empty when it did not."""
    verdict: Verdict
    because: str

    @property
    def failed(self) -> int:
        return sum(count for _, count in self.errors)

    def percentile_s(self, ratio: float) -> float | None:
        return next((one.value_s for one in self.percentiles if one.ratio == ratio), None)


def judge(result: LoadResult, completed_ratio: float) -> tuple[Verdict, str]:
    """Whether the target kept up, and why; no verdict when we were late ourselves or were stopped early."""
    late_s, p99_s = result.lateness.p99_s, result.percentile_s(0.99)
    if result.failed > FAILED_RATIO * max(1, result.due):
        return "failed", f"{result.failed} of {result.due} requests were errors"
    if late_s is not None and late_s > max(LATE_S, LATE_RATIO * (p99_s or 0.0)):
        return "no verdict", f"we sent requests late ourselves: p99 {late_s * 1e3:.1f} ms after they were due"
    if result.arrivals == "uniform" and abs(result.achieved_per_s / result.asked_per_s - 1) > RATE_ERROR_RATIO:
        return (
            "no verdict",
            f"we sent {result.achieved_per_s:.1f} requests a second instead of {result.asked_per_s:g}",
        )
    if result.stopped:
        return "no verdict", f"stopped early: {result.stopped}"
    if late_s is None or p99_s is None:
        return "no verdict", f"{result.n} answers are too few for a p99"
    if completed_ratio < BEHIND_RATIO:
        return "fell behind", f"in the second half it completed {completed_ratio:.0%} of what came in"
    return "kept up", f"it completed what came in; p99 {p99_s * 1e3:.1f} ms"
