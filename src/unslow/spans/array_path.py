"""Self time and the critical path on arrays, by the rules of `measure.critical_path`; `paths` says the same in SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from unslow.spans.array_tree import Bits, Ints, Siblings, Tree, sums

Texts = Callable[[Ints], list[str]]
"""The ids of some spans as texts, for ties that only these decide."""
DEEPEST = 1_000


def own_and_path(tree: Tree, unwaited: Bits, texts: Texts) -> tuple[Ints, Ints, bool]:
    """(self time, time on the critical path, whether it got to the end) of each span, in nanoseconds.

    `unwaited` are spans that their parent did not wait for.
    """
    at, up = tree.below, tree.up
    low, high = np.maximum(tree.start[at], tree.start[up]), np.minimum(tree.end[at], tree.end[up])
    cut = (low != tree.start[at]) | (high != tree.end[at])
    busy = (tree.children[up] > 1) | cut | unwaited[at]
    family = Siblings(at[busy], up[busy], low[busy], high[busy])
    taken = tree.children_ns.copy()
    own = tree.duration - taken
    heads = family.up[np.append(True, family.up[1:] != family.up[:-1])] if len(family.up) else family.up
    own[heads] = tree.duration[heads] - family.covered(tree.size)[heads]

    walk = _Walk(tree, unwaited, texts, taken)
    front = walk.decide(family)
    for _ in range(DEEPEST):
        if not front.any():
            break
        reached = front[up]
        rows, ups = at[reached], up[reached]
        low = np.maximum(tree.start[rows], walk.low[ups])
        high = np.minimum(tree.end[rows], walk.high[ups])
        front = walk.decide(Siblings(rows, ups, low, high))
    path = np.where(walk.on, walk.high - walk.low - walk.taken, 0)
    return own, path, not front.any()


class _Walk:
    """What is left of each span by its ancestors, and whether the answer waited for it."""

    def __init__(self, tree: Tree, unwaited: Bits, texts: Texts, taken: Ints) -> None:
        self._tree, self._unwaited, self._texts, self.taken = tree, unwaited, texts, taken
        self.low, self.high = tree.start.copy(), tree.end.copy()
        self.on = np.ones(tree.size, dtype=np.bool_)

    def decide(self, family: Siblings) -> Bits:
        """Set the state of the siblings; the spans whose children are to be decided anew."""
        rows, ups = family.rows, family.up
        inside = (family.high > family.low) & ~self._unwaited[rows]
        waiting = self.on[ups]
        on = waiting & (inside | ((self._tree.duration[rows] == 0) & (family.high == family.low)))
        rivals = family.beside() & waiting & inside
        if rivals.any():
            contested = np.zeros(self._tree.size, dtype=np.bool_)
            contested[ups[rivals]] = True
            among = np.flatnonzero(contested[ups] & inside)
            on[among] = self._chosen(family, among)
        low, high = family.low, np.maximum(family.high, family.low)
        changed = (on != self.on[rows]) | (on & ((low != self.low[rows]) | (high != self.high[rows])))
        self.low[rows], self.high[rows], self.on[rows] = low, high, on
        walked = ups[waiting]
        self.taken[walked] = sums(ups, np.where(on, high - low, 0), self._tree.size)[walked]
        front = np.zeros(self._tree.size, dtype=np.bool_)
        front[rows[changed]] = True
        front &= self._tree.children > 0
        return front

    def _chosen(self, family: Siblings, among: Ints) -> Bits:
        """Which of the contested were waited for: the lists walked from their ends."""
        rows, ups, low, high = family.rows[among], family.up[among], family.low[among], family.high[among]
        begin = self._tree.start[rows]
        order = np.lexsort((begin, -high, ups))
        tied = (
            (ups[order][1:] == ups[order][:-1])
            & (high[order][1:] == high[order][:-1])
            & (begin[order][1:] == begin[order][:-1])
        )
        if tied.any():
            order = np.lexsort((self._ranks(rows, order, tied), begin, -high, ups))
        found = np.zeros(len(among), dtype=np.bool_)
        family_of, limit = -1, 0
        for at, mother, first, last in zip(
            order.tolist(), ups[order].tolist(), low[order].tolist(), high[order].tolist(), strict=True
        ):
            if mother != family_of or last < limit:
                found[at] = True
                family_of, limit = mother, first
        return found

    def _ranks(self, rows: Ints, order: Ints, tied: Bits) -> Any:
        """The order of the tied by their texts, 0 for all others."""
        places = np.unique(np.concatenate([order[1:][tied], order[:-1][tied]]))
        names = self._texts(rows[places])
        ranks = np.zeros(len(rows), dtype=np.int64)
        ranks[places[sorted(range(len(places)), key=names.__getitem__)]] = np.arange(len(places))
        return ranks
