"""Called services by their traces: the time of outgoing calls, divided along the critical path.

Stacks or the kernel say how long the target waited for others, traces say on whom. So the sum stays what
it was, and only its division comes from traces, which may be sampled. A gap between a client span and its
server span belongs to the way between the two, less what is known to wait in the callee's own queue.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import hypot, sqrt
from typing import NamedTuple

from unslow.evidence import Evidence
from unslow.evidence.spans import Spans
from unslow.measure.downstream import only_http_peer
from unslow.measure.part import Part
from unslow.measure.rate import request_rate_per_s

LEAST_TRACES = 5
"""Fewer traces say what can happen, not how long it takes on average."""


class _Place(NamedTuple):
    kind: str
    service: str
    name: str
    detail: str


def tells_calls(spans: Spans | None) -> bool:
    """Whether the traces say where the time of the target's calls goes."""
    return spans is not None and bool(spans.service) and spans.traces >= LEAST_TRACES and bool(spans.calls)


def outside_s(evidence: Evidence) -> float | None:
    """Seconds per traced request in called services and on the way there; None when traces do not tell."""
    if evidence.spans is None or not tells_calls(evidence.spans):
        return None
    return sum(_places(evidence, evidence.spans).values())


def divided_by_spans(evidence: Evidence, parts: Sequence[Part], in_app_s: float) -> tuple[Part, ...]:
    """The parts, those in called services divided by (service, operation); their sum stays.

    Where nothing else looked into the application, the traces' own times are taken, within `in_app_s`.
    """
    spans = evidence.spans
    if spans is None or not tells_calls(spans):
        return tuple(parts)
    called = [part for part in parts if part.kind == "downstream" or (part.kind == "network" and part.detail)]
    places = _places(evidence, spans)
    traced_s = sum(places.values())
    if traced_s <= 0 or (not called and evidence.profile is not None):
        return tuple(parts)
    left_s = max(0.0, in_app_s - sum(part.seconds for part in parts))
    total_s = sum(part.seconds for part in called) if called else min(traced_s, left_s)
    if total_s <= 0:
        return tuple(parts)
    se_s = hypot(*(part.se_s for part in called))
    sources = tuple(dict.fromkeys([*(one for part in called for one in part.evidence), "spans"]))
    rest = [part for part in parts if part not in called]
    return (
        *rest,
        *(
            _part(place, seconds * total_s / traced_s, se_s / total_s, spans, sources)
            for place, seconds in places.items()
        ),
    )


def _part(place: _Place, seconds: float, relative_error: float, spans: Spans, sources: tuple[str, ...]) -> Part:
    return Part(
        kind=place.kind,
        place=place.name,
        seconds=seconds,
        se_s=seconds * hypot(relative_error, 1 / sqrt(spans.traces)),
        evidence=sources,
        detail=place.detail,
        service=place.service,
    )


def _places(evidence: Evidence, spans: Spans) -> dict[_Place, float]:
    """Critical-path seconds per request outside the target, by place."""
    found: dict[_Place, float] = defaultdict(float)
    on_the_way: dict[tuple[str, str], float] = defaultdict(float)
    peer = only_http_peer(evidence)
    queued_s = _queued_s(evidence)
    for call in spans.calls:
        on_the_way[call.caller, call.operation] += call.critical_s
        if not call.traced:
            found[_Place("downstream", call.callee, f"{call.callee} (not traced)", "")] += call.critical_s
            continue
        direct = call.caller == spans.service
        waiting_s = min(call.critical_s, queued_s) if direct else 0.0
        queued_s -= waiting_s
        if waiting_s > 0:
            found[_Place("downstream", call.callee, f"{call.callee}: waiting for a worker", "")] += waiting_s
        detail = peer.address if peer and direct else call.callee
        way = _Place("network", call.caller, f"between {call.caller} and {call.callee}", detail)
        found[way] += call.critical_s - waiting_s
    for operation in spans.operations:
        if operation.service == spans.service:
            continue
        own_s = operation.critical_s
        if operation.kind == "client":
            own_s -= on_the_way[operation.service, operation.name]
        found[_Place("downstream", operation.service, f"{operation.service}: {operation.name}", "")] += max(0.0, own_s)
    return {place: seconds for place, seconds in found.items() if seconds > 0}


def _queued_s(evidence: Evidence) -> float:
    """Seconds per request in the queue of the called server, by Little's law, where the kernel shows it."""
    peer, rate = only_http_peer(evidence), request_rate_per_s(evidence)
    return peer.waiting_mean / rate if peer and peer.waiting_mean and rate else 0.0
