"""The table of operations: calls, percentiles, self time, critical-path time, and the network between."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from unslow.evidence.span import Span
from unslow.evidence.spans import Operation, Spans
from unslow.measure.critical_path import critical_path
from unslow.measure.quantities import percentile
from unslow.measure.self_time import self_times_ns
from unslow.measure.span_calls import calls_between, complete
from unslow.measure.span_examples import examples
from unslow.measure.span_tree import Counts, Forest, plant

MAX_OPERATIONS = 500
"""Names that carry an id make one operation per call; a report needs only the largest."""
TOO_MANY = "operation beyond the 500 largest"

INCOMPLETE = "trace without the spans of a called service"

_Key = tuple[str, str, str]
_ROUTE_KEYS = ("http.route", "url.path", "http.target", "http.url", "url.full")
_ROUTE_VARIABLE = re.compile(r"<[^/>]*>|\{[^/}]*\}|:[A-Za-z_]\w*")


def summarise(
    spans: Iterable[Span],
    target_service: str | None = None,
    path: str | None = None,
    *,
    source: str = "",
    excluded: Counts = (),
    least_ns: int = 0,
) -> Spans:
    """Sum up the spans below each entry into the target; a "trace" is one such entry.

    An entry is a span of `target_service` whose parent is of another service or not there; without a
    service, each root. `path` keeps the entries whose route or URL path it is (exactly, or by a route
    with variables), `least_ns` those that lasted so long. `excluded` are counts of the reader, to which
    those of the trees are added.
    """
    forest = plant(spans)
    entries = [
        at
        for at in _entries(forest, target_service)
        if forest.spans[at].duration_ns >= least_ns and (path is None or serves(forest.spans[at], path))
    ]
    asked = len(entries)
    entries = complete(forest, entries)
    members = _members(forest, entries)
    critical = _critical_ns(forest, entries)
    operations, folded = _operations(forest, members, critical, len(entries))
    services = {forest.spans[entry].service for entry in entries}
    gaps = _network_gaps_ns(forest, members)
    counts = Counter(dict(excluded))
    counts.update(dict(forest.excluded))
    if folded:
        counts[TOO_MANY] += folded
    if len(entries) < asked:
        counts[INCOMPLETE] += asked - len(entries)
    return Spans(
        source=source,
        spans=len(members),
        traces=len(entries),
        excluded=tuple(sorted(counts.items())),
        repaired=forest.repaired,
        operations=operations,
        network_s=sum(gaps) / len(gaps) / 1e9 if gaps else None,
        network_calls=len(gaps),
        service=services.pop() if len(services) == 1 else "",
        calls=calls_between(forest, members, critical, len(entries)),
        examples=examples(forest, entries),
    )


def serves(span: Span, path: str) -> bool:
    """Whether the span is of a request for this URL path."""
    routes = [_path_of(value) for key, value in span.attributes if key in _ROUTE_KEYS]
    words = span.name.split()
    if words and words[-1].startswith("/"):
        routes.append(words[-1])
    wanted = _path_of(path)
    return any(route == wanted or _route_matches(route, wanted) for route in routes)


def _path_of(url: str) -> str:
    bare = url.partition("?")[0].partition("#")[0]
    if "://" in bare:
        bare = "/" + bare.partition("://")[2].partition("/")[2]
    return bare.rstrip("/") or "/"


def _route_matches(route: str, path: str) -> bool:
    wanted, given = route.split("/"), path.split("/")
    if len(wanted) != len(given) or not _ROUTE_VARIABLE.search(route):
        return False
    return all(
        bool(got) if _ROUTE_VARIABLE.fullmatch(part) else part == got for part, got in zip(wanted, given, strict=True)
    )


def _entries(forest: Forest, service: str | None) -> list[int]:
    if service is None:
        return list(forest.roots)
    found: list[int] = []
    inside = [False] * len(forest.spans)
    for at, span in enumerate(forest.spans):  # parents come before their children
        parent = forest.parents[at]
        within = parent >= 0 and inside[parent]
        entered = span.service == service and (parent < 0 or forest.spans[parent].service != service)
        # A call that comes back into the target (through another service) is part of the outer entry.
        if entered and not within:
            found.append(at)
        inside[at] = within or entered
    return found


def _members(forest: Forest, entries: Sequence[int]) -> list[int]:
    return [at for entry in entries for at in forest.below(entry)]


def _critical_ns(forest: Forest, entries: Sequence[int]) -> Counter[int]:
    """Critical-path time by span, of all entries."""
    critical: Counter[int] = Counter()
    for entry in entries:
        for at, start, end in critical_path(forest, entry):
            critical[at] += end - start
    return critical


def _operations(
    forest: Forest, members: Sequence[int], critical_ns: Counter[int], traces: int
) -> tuple[tuple[Operation, ...], int]:
    """The largest operations by critical-path time, and how many spans are in none of them."""
    calls: dict[_Key, list[int]] = defaultdict(list)
    critical: Counter[_Key] = Counter()
    for at in members:
        key = _key(forest.spans[at])
        calls[key].append(at)
        critical[key] += critical_ns[at]
    own = self_times_ns(forest)
    ranked = sorted(calls, key=lambda key: (-critical[key], -len(calls[key]), key))
    rows = tuple(_operation(forest, key, calls[key], own, critical[key], traces) for key in ranked[:MAX_OPERATIONS])
    return rows, sum(len(calls[key]) for key in ranked[MAX_OPERATIONS:])


def _key(span: Span) -> _Key:
    return (span.service, span.name, span.kind)


def _operation(
    forest: Forest, key: _Key, calls: Sequence[int], own: Sequence[int], critical_ns: int, traces: int
) -> Operation:
    durations = sorted(forest.spans[at].duration_ns for at in calls)
    service, name, kind = key
    return Operation(
        service=service,
        name=name,
        kind=kind,
        calls=len(calls),
        mean_s=sum(durations) / len(calls) / 1e9,
        p50_s=percentile(durations, 0.50) / 1e9,
        p95_s=percentile(durations, 0.95) / 1e9,
        p99_s=percentile(durations, 0.99) / 1e9,
        self_s=sum(own[at] for at in calls) / len(calls) / 1e9,
        critical_s=critical_ns / traces / 1e9,
        calls_per_trace=len(calls) / traces,
        errors=sum(forest.spans[at].status == "error" for at in calls),
    )


def _network_gaps_ns(forest: Forest, members: Sequence[int]) -> list[int]:
    """Per call between services: client span less server span. Durations only, so clocks do not matter.

    A call with several server spans under it (a relay retried) or whose server outlived its client
    (the client gave up) says nothing of the network.
    """
    gaps: list[int] = []
    spans = forest.spans
    for at in members:
        if spans[at].kind != "client":
            continue
        servers = [
            child
            for child in forest.children[at]
            if spans[child].kind == "server" and spans[child].service != spans[at].service
        ]
        if len(servers) == 1 and spans[servers[0]].duration_ns <= spans[at].duration_ns:
            gaps.append(spans[at].duration_ns - spans[servers[0]].duration_ns)
    return gaps
