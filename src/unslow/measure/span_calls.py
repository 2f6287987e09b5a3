"""Calls between services in traces, and how much of the critical path is neither caller nor callee."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from unslow.evidence.span import Span
from unslow.evidence.spans import Call
from unslow.measure.span_tree import Forest

MAX_CALLS = 500
_ADDRESS_KEYS = ("peer.service", "server.address", "net.peer.name")
_URL_KEYS = ("url.full", "http.url")


LEAST_COMPLETE = 0.5
"""When fewer are complete, completeness is not what tells them apart."""


def complete(forest: Forest, entries: Sequence[int]) -> list[int]:
    """The entries without those that lack a called service's spans, which others have.

    Exporters send in batches: at the end of a window the callers' spans may be in and the callees' not.
    A failed call may never have reached its callee; it is not a gap in what was reported.
    """
    answered: set[tuple[str, str, str]] = set()
    bare: dict[int, set[tuple[str, str, str]]] = {}
    for entry in entries:
        bare[entry] = set()
        for at in forest.below(entry):
            span = forest.spans[at]
            if span.kind != "client":
                continue
            call = (span.service, span.name, _address(span))
            if forest.children[at]:
                answered.add(call)
            elif span.status != "error":
                bare[entry].add(call)
    kept = [entry for entry in entries if not bare[entry] & answered]
    return kept if len(kept) >= LEAST_COMPLETE * len(entries) else list(entries)


class _Edge(NamedTuple):
    caller: str
    callee: str
    operation: str
    traced: bool


def calls_between(
    forest: Forest, members: Sequence[int], critical_ns: Mapping[int, int], traces: int
) -> tuple[Call, ...]:
    """Calls by client spans, most critical time first, at most 500 different ones.

    `critical_ns`: critical-path time by span. A client span to a database or a queue is no call of a service.
    """
    counts: Counter[_Edge] = Counter()
    critical: Counter[_Edge] = Counter()
    for at in members:
        edge = _edge(forest, at)
        if edge is not None:
            counts[edge] += 1
            critical[edge] += critical_ns.get(at, 0)
    largest = sorted(counts, key=lambda edge: (-critical[edge], -counts[edge], edge))[:MAX_CALLS]
    return tuple(
        Call(
            caller=edge.caller,
            callee=edge.callee,
            operation=edge.operation,
            traced=edge.traced,
            calls_per_trace=counts[edge] / traces,
            critical_s=critical[edge] / traces / 1e9,
        )
        for edge in largest
    )


def _edge(forest: Forest, at: int) -> _Edge | None:
    span = forest.spans[at]
    callees = sorted({forest.spans[child].service for child in forest.children[at]} - {span.service})
    if callees:
        return _Edge(span.service, callees[0], span.name, True)
    if span.kind == "client" and not forest.children[at]:
        address = _address(span)
        return _Edge(span.service, address, span.name, False) if address else None
    return None


def _address(span: Span) -> str:
    attributes = dict(span.attributes)
    if any(key.startswith(("db.", "messaging.")) for key in attributes):
        return ""
    given = next((attributes[key] for key in _ADDRESS_KEYS if attributes.get(key)), "")
    url = next((attributes[key] for key in _URL_KEYS if attributes.get(key)), "")
    return given or url.partition("://")[2].partition("/")[0]
