"""Self time: a span's duration less the union of its children's intervals, each cut to the span."""

from __future__ import annotations

from unslow.measure.span_tree import Forest


def self_times_ns(forest: Forest) -> list[int]:
    """Nanoseconds of self time, parallel to `forest.spans`; never negative.

    Children that run side by side count once. A child outside its parent covers nothing of it.
    """
    starts = forest.starts_ns
    return [
        span.duration_ns
        - _covered_ns(
            starts[at],
            starts[at] + span.duration_ns,
            sorted((starts[child], forest.end_ns(child)) for child in forest.children[at]),
        )
        for at, span in enumerate(forest.spans)
    ]


def _covered_ns(start: int, end: int, intervals: list[tuple[int, int]]) -> int:
    covered = 0
    reached = start
    for low, high in intervals:
        low, high = max(low, reached), min(high, end)
        if high > low:
            covered += high - low
            reached = high
    return covered
