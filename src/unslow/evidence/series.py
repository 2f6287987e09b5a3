"""Latency over time, as far back as a time-series store or a saved file reaches."""

from __future__ import annotations

import msgspec


class Point(msgspec.Struct, frozen=True, kw_only=True):
    at_s: float
    mean_s: float | None
    """None: nothing completed (0/0), which is not the same as fast."""
    p99_s: float | None = None
    requests_per_s: float | None = None


class Series(msgspec.Struct, frozen=True, kw_only=True):
    source: str
    query: str
    step_s: float
    points: tuple[Point, ...]
    warnings: tuple[str, ...] = ()
    """What the store said of its own answer (partial data, ...), and what makes these values doubtful."""
