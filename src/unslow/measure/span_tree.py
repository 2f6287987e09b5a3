"""Spans as trees: ids resolved to integers once, damage repaired or left out, and counted.

Left out: a negative duration, a repeated span, a cycle and all that hangs from it, an orphan (its
parent is not there) in a trace that has a root. Repaired: a trace without any root keeps its orphans
as roots of their own, because the caller simply did not report; a callee on another host that seems
to start before its caller has its clock shifted; a child that overruns its parent is cut to it by
the measures, not dropped.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from unslow.evidence.span import Span

NEGATIVE = "negative duration"
DUPLICATE = "duplicate"
CYCLE = "cycle of parents"
ORPHAN = "orphan"
MISSING_ROOT = "missing root"
CLOCK_SKEW = "clock skew"
OVERRUN = "overran its parent"

Counts = tuple[tuple[str, int], ...]


class Forest(msgspec.Struct, frozen=True):
    """Parallel sequences: element i of each speaks of span i."""

    spans: tuple[Span, ...]
    parents: tuple[int, ...]
    """Index of the parent; -1: a root."""
    children: tuple[tuple[int, ...], ...]
    """By reported start, then span id."""
    starts_ns: tuple[int, ...]
    """Start after the correction of clock skew; not yet cut to the parent."""
    roots: tuple[int, ...]
    excluded: Counts = ()
    repaired: Counts = ()

    def end_ns(self, index: int) -> int:
        return self.starts_ns[index] + self.spans[index].duration_ns

    def below(self, index: int) -> list[int]:
        """The span itself and all its descendants, parents first."""
        found = [index]
        for at in found:  # grows while it is walked
            found.extend(self.children[at])
        return found


def plant(spans: Iterable[Span], *, correct_clocks: bool = True) -> Forest:
    """Build the trees. The order of the input does not matter.

    Without `correct_clocks` a callee that seems to start before its caller is cut to it, not moved.
    """
    excluded: Counter[str] = Counter()
    repaired: Counter[str] = Counter()
    kept = _distinct(spans, excluded)
    parents, children, roots = _linked(kept, excluded, repaired)
    starts = _shifted(kept, children, roots, repaired) if correct_clocks else [span.start_ns for span in kept]
    order = _ordered_below(roots, children)
    number = {old: new for new, old in enumerate(order)}
    ends = {old: starts[old] + kept[old].duration_ns for old in order}
    for old in order:
        parent = parents[old]
        if parent >= 0 and (ends[old] > ends[parent] or starts[old] < starts[parent]):
            repaired[OVERRUN] += 1
    return Forest(
        spans=tuple(kept[old] for old in order),
        parents=tuple(number.get(parents[old], -1) for old in order),
        children=tuple(tuple(number[child] for child in children[old]) for old in order),
        starts_ns=tuple(starts[old] for old in order),
        roots=tuple(number[root] for root in roots),
        excluded=tuple(sorted(excluded.items())),
        repaired=tuple(sorted(repaired.items())),
    )


def _distinct(spans: Iterable[Span], excluded: Counter[str]) -> list[Span]:
    # Of two spans with one id the longer is kept: the other is an early or partial report of it.
    best: dict[tuple[str, str], Span] = {}
    for span in spans:
        if span.duration_ns < 0:
            excluded[NEGATIVE] += 1
            continue
        key = (span.trace_id, span.span_id)
        other = best.get(key)
        if other is None:
            best[key] = span
            continue
        excluded[DUPLICATE] += 1
        if _reported(span) > _reported(other):
            best[key] = span
    return sorted(best.values(), key=lambda span: (span.trace_id, span.start_ns, span.span_id))


def _reported(span: Span) -> tuple[int, int, str, str, str]:
    return (span.duration_ns, -span.start_ns, span.service, span.name, span.parent_span_id or "")


def _linked(
    spans: Sequence[Span], excluded: Counter[str], repaired: Counter[str]
) -> tuple[list[int], list[list[int]], list[int]]:
    """Parents, children and roots; what no root reaches is in no tree, and counted."""
    index = {(span.trace_id, span.span_id): at for at, span in enumerate(spans)}
    parents = [-1] * len(spans)
    children: list[list[int]] = [[] for _ in spans]
    roots: list[int] = []
    orphans: dict[str, list[int]] = defaultdict(list)
    for at, span in enumerate(spans):
        if span.parent_span_id is None:
            roots.append(at)
            continue
        parent = index.get((span.trace_id, span.parent_span_id))
        if parent is None:
            orphans[span.trace_id].append(at)
        else:
            parents[at] = parent
            children[parent].append(at)
    rooted = {spans[root].trace_id for root in roots}
    lost: list[int] = []
    for trace_id, heads in orphans.items():
        if trace_id in rooted:
            lost.extend(heads)
        else:
            repaired[MISSING_ROOT] += len(heads)
            roots.extend(heads)
    orphaned = len(_ordered_below(lost, children))
    if orphaned:
        excluded[ORPHAN] += orphaned
    roots.sort()
    circling = len(spans) - orphaned - len(_ordered_below(roots, children))
    if circling:
        excluded[CYCLE] += circling
    return parents, children, roots


def _ordered_below(heads: Sequence[int], children: Sequence[Sequence[int]]) -> list[int]:
    """Heads and all their descendants; every span has one parent, so none is met twice."""
    found = list(heads)
    for at in found:
        found.extend(children[at])
    return found


def _shifted(
    spans: Sequence[Span], children: Sequence[Sequence[int]], roots: Sequence[int], repaired: Counter[str]
) -> list[int]:
    """Starts by the clock of the root's host.

    Only a callee of another service that starts before its caller proves a wrong clock (one that ends
    late may have been given up by its caller). It is put in the middle of the caller's time, as if the
    network took as long there as back, and what runs on its host moves along.
    """
    starts = [span.start_ns for span in spans]
    delta = [0] * len(spans)
    for at in _ordered_below(roots, children):
        span = spans[at]
        for child in children[at]:
            callee = spans[child]
            if callee.service == span.service:
                delta[child] = delta[at]
            elif callee.start_ns < starts[at]:
                spare = max(0, span.duration_ns - callee.duration_ns) // 2
                delta[child] = starts[at] + spare - callee.start_ns
                repaired[CLOCK_SKEW] += 1
            starts[child] = callee.start_ns + delta[child]
    return starts
