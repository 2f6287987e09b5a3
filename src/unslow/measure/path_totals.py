"""Critical-path time by operation, summed up straight from the records of whole, undamaged traces.

The rules of `critical_path.py` without its trees and segments: only the children of spans that are on
the path are ever looked at. Clocks count as reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

Counts = tuple[tuple[str, int], ...]
OperationTimes = dict[tuple[str, str], int]
"""Own time on the critical paths by (service, operation)."""


class Record(Protocol):
    """A span as a file has it; its times in any one unit."""

    span_id: str
    operation_name: str
    process_id: str
    start_time: int
    duration: int


T = TypeVar("T", bound=Record)


class PathTotals(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of many traces; what the roots of all traces took together, to the nanosecond."""

    traces: int
    spans: int
    own_ns: OperationTimes
    excluded: Counts = ()
    repaired: Counts = ()


def add_path(
    root: T, first: Mapping[str, T], further: Mapping[str, Sequence[T]], times: Mapping[str, defaultdict[str, int]]
) -> None:
    """Add each operation's own share of the critical path of `root` to the times of its process.

    The shares sum to the root's duration. `first` has one child by the id of its parent, `further` the
    others: without cycles, each span once. Written for speed: most spans of real traces have one child.
    """
    heads = [(root, root.start_time, root.start_time + root.duration)]
    child_of = first.get
    for span, start, end in heads:  # grows while it is walked
        while True:
            own = end - start
            known, name = times[span.process_id], span.operation_name
            only = child_of(span.span_id)
            if only is None:
                known[name] += own
                break
            if span.span_id in further:
                for child, low, high in _waited_for([only, *further[span.span_id]], start, end):
                    own -= high - low
                    heads.append((child, low, high))
                known[name] += own
                break
            low = only.start_time
            high = low + only.duration
            if low < start:
                low = start
            if high > end:
                high = end
            if high <= low:
                known[name] += own
                break
            known[name] += own - high + low
            span, start, end = only, low, high


def _waited_for(children: Sequence[T], start: int, end: int) -> list[tuple[T, int, int]]:
    """Those on the path, cut to the parent."""
    cut = []
    for child in children:
        low = child.start_time
        high = min(low + child.duration, end)
        if high > low and high > start:
            cut.append((-high, low, child.span_id, child))
    cut.sort()  # never compares records: an id occurs once
    found = []
    reached = end + 1
    for minus_high, low, _, child in cut:
        if -minus_high < reached:
            reached = max(low, start)
            found.append((child, reached, -minus_high))
    return found
