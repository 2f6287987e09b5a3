"""What traces add to a diagnosis: the map of services, and two requests to look at."""

from __future__ import annotations

from collections import defaultdict

from unslow.diagnosis import ServiceCall, ServiceMap, ServiceNode, TraceBar, TracedRequest
from unslow.evidence.spans import Spans

Way = tuple[str, str]


def service_map(now: Spans | None, before: Spans | None) -> ServiceMap | None:
    """Services with their own time on the critical path and the ways between them, largest first.

    None without traces, or when there is nobody but the target.
    """
    if now is None or not now.traces or not now.calls:
        return None
    own, ways = _own_ms(now), _ways_ms(now)
    known = before if before is not None and before.traces else None
    own_before = _own_ms(known) if known else {}
    ways_before = _ways_ms(known) if known else {}
    traced = {operation.service for operation in now.operations}
    calls: dict[Way, float] = defaultdict(float)
    for call in now.calls:
        calls[call.caller, call.callee] += call.calls_per_trace
    nodes = [
        ServiceNode(
            service=service,
            now_ms=ms,
            before_ms=own_before.get(service, 0.0) if known else None,
            traced=service in traced,
            target=service == now.service,
        )
        for service, ms in own.items()
    ]
    between = [
        ServiceCall(
            caller=way[0],
            callee=way[1],
            calls=count,
            now_ms=ways.get(way, 0.0),
            before_ms=ways_before.get(way, 0.0) if known else None,
        )
        for way, count in calls.items()
    ]
    return ServiceMap(
        traces=now.traces,
        nodes=tuple(sorted(nodes, key=lambda node: (-(node.now_ms - (node.before_ms or 0.0)), node.service))),
        calls=tuple(sorted(between, key=lambda call: (-call.now_ms, call.caller, call.callee))),
    )


def _own_ms(spans: Spans) -> dict[str, float]:
    """Own time by service; of one that is not traced, all the time that others waited for it."""
    own: dict[str, float] = defaultdict(float)
    for operation in spans.operations:
        own[operation.service] += operation.critical_s * 1e3
    for call in spans.calls:
        own[call.caller] -= call.critical_s * 1e3  # its client span has it: the way's, or the callee's
        own[call.callee] += 0.0 if call.traced else call.critical_s * 1e3
    return {service: max(0.0, ms) for service, ms in own.items()}


def _ways_ms(spans: Spans) -> dict[Way, float]:
    ways: dict[Way, float] = defaultdict(float)
    for call in spans.calls:
        if call.traced:
            ways[call.caller, call.callee] += call.critical_s * 1e3
    return ways


def traced_requests(spans: Spans | None) -> tuple[TracedRequest, ...]:
    return tuple(
        TracedRequest(
            kind=example.kind,
            trace_id=example.trace_id,
            ms=example.duration_s * 1e3,
            spans=example.spans,
            bars=tuple(
                TraceBar(
                    depth=bar.depth,
                    service=bar.service,
                    name=bar.name,
                    start_ms=bar.start_s * 1e3,
                    ms=bar.duration_s * 1e3,
                    critical=tuple((start * 1e3, end * 1e3) for start, end in bar.critical),
                    failed=bar.failed,
                )
                for bar in example.bars
            ),
        )
        for example in (spans.examples if spans else ())
    )
