"""The answer: account, ranked causes, what is clear, what could not be checked.

This is the document that `--json` prints (schema `unslow.diagnosis/1`); times are in ms because
people read it. Keys may be added, none changes its meaning.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SCHEMA = "unslow.diagnosis/1"

Interval = tuple[float, float]


class TargetName(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    kind: str
    service: str = ""


class WindowTimes(msgspec.Struct, frozen=True, kw_only=True):
    start: str
    """RFC 3339, UTC."""
    end: str


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["before", "baseline", "twin", "none"]
    start: str | None = None
    end: str | None = None
    note: str = ""


class Where(msgspec.Struct, frozen=True, kw_only=True):
    service: str
    place: str


class AccountLine(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    where: Where
    kind: str
    before_ms: float
    now_ms: float
    excess_ms: float
    interval_ms: Interval
    evidence: tuple[str, ...]
    share: float
    """excess_ms / the account's excess_ms; 0 when that is 0."""


class AccountTable(msgspec.Struct, frozen=True, kw_only=True):
    before_ms: float
    now_ms: float
    excess_ms: float
    unexplained_ms: float
    """Signed: excess_ms - sum of the lines' excess_ms, never clipped or rescaled."""
    interval_ms: Interval
    requests: int
    lines: tuple[AccountLine, ...]
    notes: tuple[str, ...] = ()


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    n: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    check: str
    title: str
    place: str
    excess_ms: float
    interval_ms: Interval
    confidence: float
    because: str
    next_steps: tuple[str, ...]
    fixes: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    """Ids of the account lines it explains."""


class ClearCheck(msgspec.Struct, frozen=True, kw_only=True):
    check: str
    because: str


class SkippedCheck(msgspec.Struct, frozen=True, kw_only=True):
    check: str
    missing: str
    remedy: str


class EvidenceItem(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    title: str
    command: str
    value: float | str
    unit: str
    n: int


class ProbeRun(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    rung: str
    started: str
    seconds: float
    result: Literal["ok", "skipped", "failed"]
    missing: str
    remedy: str


class TimePoint(msgspec.Struct, frozen=True, kw_only=True):
    at: str
    ms: float | None


class FlameStack(msgspec.Struct, frozen=True, kw_only=True):
    frames: tuple[str, ...]
    """Outermost first, `function (file:line)`."""
    kind: str
    """Account kind of the leaf."""
    ms: float
    """Per request."""


class QueryPlan(msgspec.Struct, frozen=True, kw_only=True):
    query: str
    plan: str
    note: str


class ServiceNode(msgspec.Struct, frozen=True, kw_only=True):
    service: str
    now_ms: float
    """Own time on the critical path, per traced request of the target."""
    before_ms: float | None = None
    """None: the reference has no traces."""
    traced: bool = True
    target: bool = False


class ServiceCall(msgspec.Struct, frozen=True, kw_only=True):
    caller: str
    callee: str
    calls: float
    """Per traced request of the target."""
    now_ms: float
    """On the way, per traced request: neither the caller's own time nor the callee's."""
    before_ms: float | None = None


class ServiceMap(msgspec.Struct, frozen=True, kw_only=True):
    traces: int
    nodes: tuple[ServiceNode, ...]
    calls: tuple[ServiceCall, ...]


class TraceBar(msgspec.Struct, frozen=True, kw_only=True):
    depth: int
    service: str
    name: str
    start_ms: float
    """Since the start of the request."""
    ms: float
    critical: tuple[tuple[float, float], ...] = ()
    """(start, end) in ms of its stretches of the critical path."""
    failed: bool = False


class TracedRequest(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["typical", "slow"]
    trace_id: str
    ms: float
    spans: int
    """Of all; there are bars for the largest."""
    bars: tuple[TraceBar, ...]


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    schema: str = SCHEMA
    target: TargetName
    window: WindowTimes
    reference: Reference
    headline: str
    verdict: Literal["slow", "healthy", "unknown"]
    account: AccountTable
    causes: tuple[Cause, ...]
    clear: tuple[ClearCheck, ...]
    skipped: tuple[SkippedCheck, ...]
    evidence: tuple[EvidenceItem, ...]
    probes: tuple[ProbeRun, ...]
    percentiles: Percentiles | None = None
    before_percentiles: Percentiles | None = None
    timeline: tuple[TimePoint, ...] = ()
    """Response times over time: the time-series store's where it reaches back, else our own requests."""
    onset: str | None = None
    flame: tuple[FlameStack, ...] = ()
    plans: tuple[QueryPlan, ...] = ()
    services: ServiceMap | None = None
    """From traces: who calls whom, and where the critical path spends its time."""
    traced: tuple[TracedRequest, ...] = ()
    """The typical request and a slow one, when there are traces."""
    redacted: int = 0
