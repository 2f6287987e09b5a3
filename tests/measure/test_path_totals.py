from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.measure.test_critical_path import traces
from unslow.evidence.span import Span
from unslow.measure.path_totals import add_path
from unslow.measure.tree_totals import tree_totals


class Record:
    """A span as a reader of files has it."""

    def __init__(self, span: Span) -> None:
        self.span_id, self.operation_name, self.process_id = span.span_id, span.name, span.service
        self.start_time, self.duration = span.start_ns, span.duration_ns


def straight(spans: list[Span]) -> dict[tuple[str, str], int]:
    first: dict[str, Record] = {}
    further: dict[str, list[Record]] = defaultdict(list)
    for span in spans[1:]:
        assert span.parent_span_id is not None
        if span.parent_span_id in first:
            further[span.parent_span_id].append(Record(span))
        else:
            first[span.parent_span_id] = Record(span)
    times: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    add_path(Record(spans[0]), first, dict(further), times)
    return {(process, name): own for process, names in times.items() for name, own in names.items() if own}


@settings(max_examples=500, deadline=None)
@given(traces())
def test_the_same_as_by_trees(spans: list[Span]) -> None:
    assert straight(spans) == tree_totals(spans).own_ns


@settings(max_examples=200, deadline=None)
@given(traces(), st.randoms(use_true_random=False))
def test_the_order_of_children_does_not_matter(spans: list[Span], random: object) -> None:
    others = spans[1:]
    random.shuffle(others)  # type: ignore[attr-defined]
    assert straight([spans[0], *others]) == straight(spans)


@given(traces())
def test_the_shares_are_the_whole_root(spans: list[Span]) -> None:
    assert sum(straight(spans).values()) == spans[0].duration_ns


def test_a_chain_of_50_000_spans_needs_no_recursion() -> None:
    spans = [Span("t", "0", None, "s", "n", "internal", 0, 200_000)]
    spans += [Span("t", str(i), str(i - 1), "s", "n", "internal", i, 200_000 - 2 * i) for i in range(1, 50_000)]
    assert straight(spans) == {("s", "n"): 200_000}
