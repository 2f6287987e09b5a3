"""Published methods, written from their papers, on the same series that ours gets: each returns names, best first.

Where a paper leaves a choice, the one that suits short windows is taken. Missing values count as the usual one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median, pstdev

from unslow.evidence.span import Span
from unslow.measure.locate import Node

Nodes = Mapping[str, Node]
Calls = Mapping[str, Sequence[str]]
SCORE_LIMIT = 3.0


def _usual(name: str, window: Nodes, normal: Nodes, before: int) -> list[float]:
    node = normal.get(name)
    costs = [cost for cost in node.cost if cost is not None] if node else []
    return costs or [cost for cost in window[name].cost[:before] if cost is not None]


def _filled(values: Sequence[float | None], usual: float) -> list[float]:
    return [usual if value is None else value for value in values]


def _series(window: Nodes, normal: Nodes, before: int) -> dict[str, tuple[list[float], list[float]]]:
    found = {}
    for name in sorted(window):
        usual = _usual(name, window, normal, before)
        if usual:
            found[name] = (usual, _filled(window[name].cost[before:], median(usual)))
    return found


def correlation(target: str, calls: Calls, window: Nodes, normal: Nodes, before: int) -> list[str]:
    """Nodes by the correlation of their metric with the target's, over normal times and incident together."""
    series = {}
    for name, node in window.items():
        costs = [*(normal[name].cost if name in normal else ()), *node.cost]
        known = [cost for cost in costs if cost is not None]
        if known:
            series[name] = _filled(costs, median(known))
    length = min((len(values) for values in series.values()), default=0)
    felt = series.get(target, [])[-length:]
    scores = {name: abs(_pearson(values[-length:], felt)) for name, values in series.items() if name != target}
    return [*sorted(scores, key=lambda name: (-scores[name], name)), target]


def _pearson(left: Sequence[float], right: Sequence[float]) -> float:
    a, b = fmean(left), fmean(right)
    over = sum((x - a) * (y - b) for x, y in zip(left, right, strict=True))
    under = math.sqrt(sum((x - a) ** 2 for x in left) * sum((y - b) ** 2 for y in right))
    return over / under if under else 0.0


def z_scores(window: Nodes, normal: Nodes, before: int) -> dict[str, float]:
    found = {}
    for name, (usual, after) in _series(window, normal, before).items():
        spread = pstdev(usual) or max(1e-12, abs(fmean(usual)) * 0.05)
        found[name] = max((value - fmean(usual)) / spread for value in after) if after else 0.0
    return found


def traversal(target: str, calls: Calls, window: Nodes, normal: Nodes, before: int) -> list[str]:
    """Anomalous nodes that the target reaches through anomalous ones, those without an anomalous callee first."""
    scores = z_scores(window, normal, before)
    reached, todo = {target}, [target]
    while todo:
        for callee in calls.get(todo.pop(), ()):
            if scores.get(callee, 0.0) >= SCORE_LIMIT and callee not in reached:
                reached.add(callee)
                todo.append(callee)
    ends = {
        name
        for name in reached
        if not any(scores.get(callee, 0.0) >= SCORE_LIMIT for callee in calls.get(name, ()) if callee != name)
    }
    return sorted(scores, key=lambda name: (name not in ends, name not in reached, -scores[name], name))


def _surprise(window: Nodes, normal: Nodes, before: int) -> dict[str, float]:
    """-log of the share of normal values at least as high."""
    return {
        name: -math.log((1 + sum(1 for value in usual if value >= max(after))) / (1 + len(usual)))
        for name, (usual, after) in _series(window, normal, before).items()
        if after
    }


def smooth_traversal(target: str, calls: Calls, window: Nodes, normal: Nodes, before: int) -> list[str]:
    """Nodes by how far their surprise exceeds the greatest one of their callees (ties by the z score)."""
    scores, plain = _surprise(window, normal, before), z_scores(window, normal, before)
    jump = {
        name: score - max((scores.get(callee, 0.0) for callee in calls.get(name, ()) if callee != name), default=0.0)
        for name, score in scores.items()
    }
    return sorted(jump, key=lambda name: (-jump[name], -plain[name], name))


def score_ordering(target: str, calls: Calls, window: Nodes, normal: Nodes, before: int) -> list[str]:
    """Nodes by the gap between their surprise and the next smaller one: a cause stands at a jump."""
    scores, plain = _surprise(window, normal, before), z_scores(window, normal, before)
    ordered = sorted(scores, key=lambda name: (scores[name], plain[name], name))
    gaps = {name: scores[name] - (scores[ordered[at - 1]] if at else 0.0) for at, name in enumerate(ordered)}
    return sorted(gaps, key=lambda name: (-gaps[name], -scores[name], name))


def baro(target: str, calls: Calls, window: Nodes, normal: Nodes, before: int) -> list[str]:
    """The largest value less the usual median, over the distance of the quartiles."""
    scores = {}
    for name, (usual, after) in _series(window, normal, before).items():
        ordered = sorted(usual)
        spread = ordered[(3 * len(ordered)) // 4] - ordered[len(ordered) // 4]
        scores[name] = (max(after, default=0.0) - median(usual)) / (spread or 1.0)
    return sorted(scores, key=lambda name: (-scores[name], name))


METHODS: dict[str, Callable[[str, Calls, Nodes, Nodes, int], list[str]]] = {
    "correlation": correlation,
    "anomaly traversal": traversal,
    "smooth traversal": smooth_traversal,
    "score ordering": score_ordering,
    "BARO's robust score": baro,
}


def microrank(normal: Sequence[Span], incident: Sequence[Span]) -> list[str]:
    """Services by weighted spectrum (Ochiai) over page ranks of operations in slow and in usual traces."""
    usual: dict[tuple[str, str], list[float]] = defaultdict(list)
    for span in normal:
        usual[span.service, span.name].append(span.duration_ns)
    expected = {key: fmean(values) + 3 * pstdev(values) for key, values in usual.items()}
    traces: dict[str, list[Span]] = defaultdict(list)
    for span in incident:
        traces[span.trace_id].append(span)
    slow, quick = {}, {}
    for trace, spans in traces.items():
        whole = max(span.duration_ns for span in spans)
        ill = whole > sum(expected.get((span.service, span.name), span.duration_ns) for span in spans)
        (slow if ill else quick)[trace] = spans
    if not slow:  # the paper's rule finds none: the slower half
        ranked = sorted(traces, key=lambda trace: -max(span.duration_ns for span in traces[trace]))
        slow = {trace: traces[trace] for trace in ranked[: len(ranked) // 2]}
        quick = {trace: traces[trace] for trace in ranked[len(ranked) // 2 :]}
    ill_rank, well_rank = _page_rank(slow), _page_rank(quick)
    scores = {}
    for operation in {*ill_rank, *well_rank}:
        with_slow = sum(1 for spans in slow.values() if any((s.service, s.name) == operation for s in spans))
        with_quick = sum(1 for spans in quick.values() if any((s.service, s.name) == operation for s in spans))
        failed = with_slow * ill_rank.get(operation, 0.0)
        passed = with_quick * well_rank.get(operation, 0.0)
        without = (len(slow) - with_slow) * ill_rank.get(operation, 0.0)
        under = math.sqrt((failed + without) * (failed + passed))
        scores[operation] = failed / under if under else 0.0
    best: dict[str, float] = defaultdict(float)
    for (service, _), score in scores.items():
        best[service] = max(best[service], score)
    return sorted(best, key=lambda service: (-best[service], service))


def _page_rank(traces: Mapping[str, Sequence[Span]]) -> dict[tuple[str, str], float]:
    """Traces and the operations in them vote for each other; callers vote for their callees."""
    inside = {trace: {(span.service, span.name) for span in spans} for trace, spans in traces.items()}
    operations = sorted({one for found in inside.values() for one in found})
    votes: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for spans in traces.values():
        named = {span.span_id: (span.service, span.name) for span in spans}
        for span in spans:
            if span.parent_span_id in named:
                votes[named[span.parent_span_id]].add((span.service, span.name))
    # A trace of few kinds of operations prefers them more.
    preference = {trace: 1 / len(found) for trace, found in inside.items()}
    whole = sum(preference.values()) or 1.0
    rank = dict.fromkeys(operations, 1 / max(1, len(operations)))
    trace_rank = {trace: value / whole for trace, value in preference.items()}
    seen_in = {one: sum(1 for found in inside.values() if one in found) for one in operations}
    for _ in range(25):
        following = dict.fromkeys(operations, 0.0)
        for trace, found in inside.items():
            for one in found:
                following[one] += 0.85 * trace_rank[trace] / len(found)
        for caller, callees in votes.items():
            for callee in callees:
                following[callee] += 0.85 * 0.01 * rank[caller] / len(callees)
        trace_rank = {
            trace: 0.85 * sum(rank[one] / seen_in[one] for one in found) + 0.15 * preference[trace] / whole
            for trace, found in inside.items()
        }
        highest = max(following.values(), default=1.0) or 1.0
        rank = {one: value / highest for one, value in following.items()}
        highest = max(trace_rank.values(), default=1.0) or 1.0
        trace_rank = {trace: value / highest for trace, value in trace_rank.items()}
    return rank
