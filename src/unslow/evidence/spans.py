"""Spans summed up per operation; the raw spans stay beside them in the bundle."""

from __future__ import annotations

from typing import Literal

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


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """From one service to another, as the caller's client spans saw it."""

    caller: str
    callee: str
    """A service; of one that is not traced, its address."""
    operation: str
    """Name of the client span."""
    traced: bool = True
    calls_per_trace: float
    critical_s: float
    """Mean critical-path time per trace of the target that is neither the caller's nor the callee's: the way
    there and back, connecting, and waiting before the callee began. Of a callee that is not traced: all."""


class SpanBar(msgspec.Struct, frozen=True, kw_only=True):
    """One span of an example; seconds since the example's start."""

    depth: int
    service: str
    name: str
    kind: str
    start_s: float
    duration_s: float
    critical: tuple[tuple[float, float], ...] = ()
    """(start_s, end_s) of its stretches of the critical path."""
    failed: bool = False


class TraceExample(msgspec.Struct, frozen=True, kw_only=True):
    """One request of the target."""

    kind: Literal["typical", "slow"]
    trace_id: str
    duration_s: float
    spans: int
    """Of all; `bars` has only those that a picture can show."""
    bars: tuple[SpanBar, ...]


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
    service: str = ""
    """As the target's own spans name it; empty when they name several."""
    calls: tuple[Call, ...] = ()
    examples: tuple[TraceExample, ...] = ()
