"""Where every span reader puts what it found: one place that checks, trims and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from unslow.collect.span_limits import EARLIEST_NS, LATEST_NS, LONGEST_NS, safe_text
from unslow.evidence.span import Kind, Span, Status

MAX_SPANS = 1_000_000
"""About 400 MiB of records; more belongs into a column store."""

NO_ID = "no id"
IMPOSSIBLE_TIME = "impossible time"
NEGATIVE = "negative duration"
UNREADABLE = "unreadable record"
OVER_LIMIT = "beyond the span limit"

ATTRIBUTES = frozenset(
    (
        "http.request.method",
        "http.method",
        "http.route",
        "http.response.status_code",
        "http.status_code",
        "url.path",
        "http.target",
        "http.url",
        "url.full",
        "server.address",
        "server.port",
        "net.peer.name",
        "net.peer.port",
        "peer.service",
        "db.system",
        "db.system.name",
        "db.name",
        "db.namespace",
        "db.operation",
        "db.operation.name",
        "db.collection.name",
        "rpc.system",
        "rpc.service",
        "rpc.method",
        "messaging.system",
        "messaging.destination.name",
        "host.name",
        "k8s.pod.name",
        "service.version",
    )
)
"""What was called and where. Statements, bodies and headers may hold secrets and are never kept."""
_KINDS: dict[str, Kind] = {
    "server": "server",
    "client": "client",
    "internal": "internal",
    "producer": "producer",
    "consumer": "consumer",
}


class SpanSink:
    """Collects spans up to a limit; refused records are counted by reason."""

    def __init__(self, limit: int = MAX_SPANS) -> None:
        self.spans: list[Span] = []
        self.excluded: Counter[str] = Counter()
        self._limit = limit
        self._texts: dict[str, str] = {}

    def add(
        self,
        trace_id: str,
        span_id: str,
        parent_span_id: str | None,
        service: str,
        name: str,
        kind: str,
        start_ns: int | None,
        duration_ns: int | None,
        status: Status,
        attributes: Iterable[tuple[str, str]],
    ) -> None:
        """Keep the span, or count why not. A missing time is an impossible one."""
        reason = _refusal(trace_id, span_id, start_ns, duration_ns)
        if reason is None and len(self.spans) >= self._limit:
            reason = OVER_LIMIT
        if reason is not None or start_ns is None or duration_ns is None:
            self.excluded[reason or IMPOSSIBLE_TIME] += 1
            return
        text = self.text
        self.spans.append(
            Span(
                text(trace_id),
                text(span_id),
                text(parent_span_id) if parent_span_id else None,
                text(service) or "unknown",
                text(name) or "unnamed",
                _KINDS.get(kind.lower(), "unspecified"),
                start_ns,
                duration_ns,
                status,
                tuple(sorted((key, text(_without_query(value))) for key, value in attributes if key in ATTRIBUTES)),
            )
        )

    def text(self, raw: str) -> str:
        """Shortened, without control characters, one object per distinct text."""
        known = self._texts.get(raw)
        if known is None:
            known = safe_text(raw)
            if len(self._texts) < 200_000:  # ids are all distinct: do not keep a second copy of them
                self._texts[raw] = known
        return known


def _refusal(trace_id: str, span_id: str, start_ns: int | None, duration_ns: int | None) -> str | None:
    if not trace_id or not span_id:
        return NO_ID
    if start_ns is None or duration_ns is None or not EARLIEST_NS <= start_ns < LATEST_NS:
        return IMPOSSIBLE_TIME
    if duration_ns < 0:
        return NEGATIVE
    if duration_ns > LONGEST_NS:
        return IMPOSSIBLE_TIME
    return None


def _without_query(value: str) -> str:
    """URLs lose query, fragment and credentials."""
    bare = value.partition("?")[0].partition("#")[0]
    scheme, found, rest = bare.partition("://")
    if found:
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
    return bare


def nanoseconds(value: int | float | str | None, scale: int = 1) -> int | None:
    """A time or duration field times `scale`; None when it is no number."""
    try:
        if isinstance(value, int):
            return value * scale
        if isinstance(value, str) and value[:20].lstrip("-").isdigit() and len(value) <= 20:
            return int(value) * scale
        return None if value is None else round(float(value) * scale)
    except (ValueError, OverflowError):
        return None


def scalar(value: str | int | float | bool | None) -> str:
    """An attribute's value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
