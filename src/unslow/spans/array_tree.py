"""Trees of spans in NumPy, for DuckDB's parts: the tables of `forest` and `paths` as arrays, several times faster.

Row numbers take the place of ids. What is damaged is not mended here: its traces are named, and go the way of SQL.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Bits = np.ndarray[Any, np.dtype[np.bool_]]
CLIMB = 1_000
"""Steps from a span that may be on a cycle; who gets no further goes the slow way."""


class Tree:
    """Parallel arrays: element i of each speaks of span i."""

    def __init__(self, trace: Any, parent: Ints, operation: Ints, start: Ints, duration: Ints) -> None:
        self.trace, self.parent, self.operation = trace, parent, operation
        self.start, self.duration, self.end = start, duration, start + duration
        self.size = len(start)
        self.sound = np.ones(self.size, dtype=np.bool_)

    def leave_out(self, hurt: Bits) -> None:
        """Count these, which are whole traces, for nothing."""
        self.sound = ~hurt
        self.parent[hurt] = -1

    @cached_property
    def below(self) -> Ints:
        """The spans that have a parent."""
        return np.flatnonzero(self.parent >= 0)

    @cached_property
    def up(self) -> Ints:
        """The parents of `below`."""
        found: Ints = self.parent[self.below]
        return found

    @cached_property
    def children(self) -> Ints:
        return np.bincount(self.up, minlength=self.size)

    @cached_property
    def children_ns(self) -> Ints:
        return sums(self.up, self.duration[self.below], self.size)


def sums(keys: Ints, values: Ints, size: int) -> Ints:
    """Sums by key of values that are not negative, exact: where 53 bits might not hold one, in two pieces."""
    if not len(keys):
        return np.zeros(size, dtype=np.int64)
    if int(values.max()) * int(np.bincount(keys).max()) < 2**53:
        return np.bincount(keys, weights=values, minlength=size).astype(np.int64)
    low = np.bincount(keys, weights=values & 0x3FFFFFFF, minlength=size)
    high = np.bincount(keys, weights=values >> 30, minlength=size)
    found: Ints = (high.astype(np.int64) << 30) + low.astype(np.int64)
    return found


def parents(span: Any, parent: Any) -> tuple[Ints, Bits]:
    """(row of the parent or -1, damaged): damaged are spans of one id and those whose parent is not there.

    Ids are 64-bit hashes; a parent of 0 is none.
    """
    order = np.argsort(span)
    sorted_ids = span[order]
    damaged = np.zeros(len(span), dtype=np.bool_)
    twins = np.flatnonzero(sorted_ids[1:] == sorted_ids[:-1])
    damaged[order[twins]] = True
    asking = np.flatnonzero(parent)
    asking = asking[np.argsort(parent[asking])]  # sorted questions find their answers close together
    wanted = parent[asking]
    place = np.minimum(np.searchsorted(sorted_ids, wanted), len(span) - 1)
    found = sorted_ids[place] == wanted
    damaged[asking[~found]] = True
    rows = np.full(len(span), -1, dtype=np.int64)
    rows[asking[found]] = order[place[found]]
    return rows, damaged


def disturbed(tree: Tree, services: Any) -> Ints:
    """Some spans of each trace with a clock that proves wrong, or with a cycle of parents (see `forest`)."""
    at = np.flatnonzero(tree.parent >= 0)
    up = tree.parent[at]
    early = tree.start[at] < tree.start[up]
    skewed = at[early & (services[tree.operation[at]] != services[tree.operation[up]])]
    same = (tree.start[at] == tree.start[up]) & (tree.duration[at] >= tree.duration[up])
    climbing = np.flatnonzero(early | same)
    me, node = at[climbing], up[climbing]
    circling = [skewed]
    for _ in range(CLIMB):
        later = (tree.start[node] > tree.start[me]) | (
            (tree.start[node] == tree.start[me]) & (tree.duration[node] <= tree.duration[me])
        )
        me, node = me[later], node[later]
        following = tree.parent[node]
        home = (node == me) | (following == me)
        circling.append(me[home])
        on = ~home & (following >= 0)
        me, node = me[on], following[on]
        if not len(me):
            break
    return np.concatenate([*circling, me])


class Siblings:
    """Some spans with their parents, sorted by parent and then by start, each cut to what its parent has left."""

    def __init__(self, rows: Ints, ups: Ints, low: Ints, high: Ints) -> None:
        order = np.lexsort((low, ups))
        self.rows, self.up, self.low, self.high = rows[order], ups[order], low[order], high[order]
        first = np.ones(len(rows), dtype=np.bool_)
        first[1:] = self.up[1:] != self.up[:-1]
        reached = np.where(self.high > self.low, self.high, 0)
        step, widest = 1, _longest_run(first)
        while step < widest:  # a running maximum within each family, by doubling
            same = self.up[step:] == self.up[:-step]
            reached[step:] = np.maximum(reached[step:], np.where(same, reached[:-step], 0))
            step *= 2
        self.before = np.zeros(len(rows), dtype=np.int64)
        self.before[1:] = np.where(first[1:], 0, reached[:-1])
        """Where the siblings before have reached to."""

    def covered(self, size: int) -> Ints:
        """Nanoseconds by parent that its children cover."""
        fresh = self.high - np.maximum(self.low, self.before)
        return sums(self.up, np.maximum(fresh, 0), size)

    def beside(self) -> Bits:
        """Those that overlap a sibling before them, or touch it."""
        found: Bits = (self.high > self.low) & (self.low <= self.before)
        return found


def _longest_run(first: Bits) -> int:
    starts = np.flatnonzero(first)
    return int(np.diff(np.append(starts, len(first))).max()) if len(starts) else 0
