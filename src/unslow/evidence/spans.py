"""Spans summed up per operation; the raw spans stay beside them in the bundle."""

from __future__ import annotations

import msgspec


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    service: str
    name: str
    kind: str
    calls: int
    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    self_s: float
    """Mean self time of one call."""
    critical_s: float
    """Mean critical-path time per trace of the target."""
    calls_per_trace: float
    errors: int = 0


class Spans(msgspec.Struct, frozen=True, kw_only=True):
    source: str
    spans: int
    traces: int
    excluded: tuple[tuple[str, int], ...] = ()
    """(reason, count) of damaged spans left out."""
    repaired: tuple[tuple[str, int], ...] = ()
    """(reason, count) of spans that were mended and kept: cut to the parent, clock shifted, ..."""
    operations: tuple[Operation, ...] = ()
    network_s: float | None = None
    """Mean client span minus server span per call between services."""
    network_calls: int = 0
