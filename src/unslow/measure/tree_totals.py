"""Critical-path time by operation by way of trees, where damage is repaired or left out, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from unslow.evidence.span import Span
from unslow.measure.critical_path import critical_path
from unslow.measure.path_totals import PathTotals
from unslow.measure.span_tree import plant


def tree_totals(spans: Iterable[Span]) -> PathTotals:
    """The sums that `path_totals.add_path` gives for undamaged traces, for any. Clocks count as reported."""
    forest = plant(spans, correct_clocks=False)
    own: Counter[tuple[str, str]] = Counter()
    for root in forest.roots:
        for at, start, end in critical_path(forest, root):
            own[forest.spans[at].service, forest.spans[at].name] += end - start
    return PathTotals(
        traces=len({forest.spans[root].trace_id for root in forest.roots}),
        spans=len(forest.spans),
        own_ns=dict(own),
        excluded=forest.excluded,
        repaired=forest.repaired,
    )
