"""The critical path of a trace: at each instant the one span that the answer waited for.

Walked backwards from the root's end: the child that finishes last is on the path, then the one that
finishes last before that child started, and so on; the time between belongs to the span itself.
A child that overruns its parent is cut to it. What a consumer does with a message is no part of it:
the producer does not wait. Tie rule, the one of Jaeger's trace page: a child that ends exactly when
the next one starts does not precede it (a clock cannot tell whether
they overlap); of two that end together the one that started earlier,
then the lesser span id, is taken.
The segments follow on one another without gap, so their sum is the root's duration exactly.
"""

from __future__ import annotations

from typing import NamedTuple

from unslow.measure.span_tree import Forest


class Segment(NamedTuple):
    span: int
    """Index into `Forest.spans`."""
    start_ns: int
    end_ns: int


def critical_path(forest: Forest, root: int) -> list[Segment]:
    """Segments from the root's start to its end, in time order, none of them empty.

    `root` may be any span: its subtree is then taken for the whole.
    """
    segments: list[Segment] = []
    # Each frame: span, its start, the instant reached going backwards, the instant before which a child
    # must end to be next, its children still to look at.
    start, end = forest.starts_ns[root], forest.end_ns(root)
    stack = [(root, start, end, end + 1, _by_end(forest, root, start, end))]
    while stack:
        at, start, reached, limit, waiting = stack.pop()
        while waiting and waiting[-1].end_ns >= limit:
            waiting.pop()  # ran beside one that is already on the path
        if not waiting:
            if reached > start:
                segments.append(Segment(at, start, reached))
            continue
        child = waiting.pop()
        if reached > child.end_ns:
            segments.append(Segment(at, child.end_ns, reached))
        stack.append((at, start, child.start_ns, child.start_ns, waiting))
        below = _by_end(forest, child.span, child.start_ns, child.end_ns)
        stack.append((child.span, child.start_ns, child.end_ns, child.end_ns + 1, below))
    segments.reverse()
    return segments


def _by_end(forest: Forest, at: int, start: int, end: int) -> list[Segment]:
    """Children cut to [start, end), next one last; those with nothing left inside are not there."""
    spans, starts = forest.spans, forest.starts_ns
    produces = spans[at].kind == "producer"
    cut = [
        Segment(child, max(starts[child], start), min(forest.end_ns(child), end))
        for child in forest.children[at]
        if not (produces and spans[child].kind == "consumer")
    ]
    return sorted(
        (one for one in cut if one.end_ns > one.start_ns),
        key=lambda one: (-one.end_ns, starts[one.span], spans[one.span].span_id),
        reverse=True,
    )
