"""Two requests to look at: the typical one and a slow one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from unslow.evidence.spans import SpanBar, TraceExample
from unslow.measure.critical_path import critical_path
from unslow.measure.span_tree import Forest

MAX_BARS = 30
SLOW_QUANTILE = 0.95


def examples(forest: Forest, entries: Sequence[int]) -> tuple[TraceExample, ...]:
    """The request of median duration, and the one that 95 % are faster than; nothing of a single request.

    Of several operations the most frequent one is shown: two requests can be compared only if they ask for the same.
    """
    by_name: dict[tuple[str, str], list[int]] = defaultdict(list)
    for at in entries:
        by_name[forest.spans[at].service, forest.spans[at].name].append(at)
    alike = max(by_name.values(), key=len, default=[])
    if len(alike) < 2:
        return ()
    ranked = sorted(alike, key=lambda at: (forest.spans[at].duration_ns, forest.spans[at].trace_id))
    typical = ranked[(len(ranked) - 1) // 2]
    slow = ranked[min(len(ranked) - 1, round(SLOW_QUANTILE * len(ranked)))]
    return (_example(forest, typical, "typical"), _example(forest, slow, "slow"))


def _example(forest: Forest, entry: int, kind: Literal["typical", "slow"]) -> TraceExample:
    begin = forest.starts_ns[entry]
    stretches: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for at, start, end in critical_path(forest, entry):
        stretches[at].append(((start - begin) / 1e9, (end - begin) / 1e9))
    order = _in_order(forest, entry)
    shown = set(_largest(forest, [at for at, _ in order], stretches))
    return TraceExample(
        kind=kind,
        trace_id=forest.spans[entry].trace_id,
        duration_s=forest.spans[entry].duration_ns / 1e9,
        spans=len(order),
        bars=tuple(
            SpanBar(
                depth=depth,
                service=forest.spans[at].service,
                name=forest.spans[at].name,
                kind=forest.spans[at].kind,
                start_s=(forest.starts_ns[at] - begin) / 1e9,
                duration_s=forest.spans[at].duration_ns / 1e9,
                critical=tuple(stretches.get(at, ())),
                failed=forest.spans[at].status == "error",
            )
            for at, depth in order
            if at in shown
        ),
    )


def _in_order(forest: Forest, entry: int) -> list[tuple[int, int]]:
    """(span, depth), each parent before its children, children by their start."""
    found = []
    stack = [(entry, 0)]
    while stack:
        at, depth = stack.pop()
        found.append((at, depth))
        children = sorted(forest.children[at], key=lambda child: forest.starts_ns[child], reverse=True)
        stack.extend((child, depth + 1) for child in children)
    return found


def _largest(forest: Forest, order: Sequence[int], stretches: dict[int, list[tuple[float, float]]]) -> list[int]:
    """Spans by their critical time, then by their duration; a parent of one shown may be left out."""

    def weight(at: int) -> tuple[float, int]:
        return (sum(end - start for start, end in stretches.get(at, ())), forest.spans[at].duration_ns)

    return sorted(order, key=weight, reverse=True)[:MAX_BARS]
