from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from unslow.evidence.span import Span
from unslow.measure.critical_path import critical_path
from unslow.measure.self_time import self_times_ns
from unslow.measure.span_tree import plant


def span(name: str, parent: str | None, start: int, end: int, trace: str = "t", service: str = "s") -> Span:
    return Span(trace, name, parent, service, name, "internal", start, end - start)


def path_of(*spans: Span) -> list[tuple[str, int, int]]:
    forest = plant(spans)
    return [(forest.spans[at].name, start, end) for at, start, end in critical_path(forest, forest.roots[0])]


def test_children_in_sequence_and_the_time_between():
    assert path_of(span("a", None, 0, 100), span("b", "a", 10, 40), span("c", "a", 50, 90)) == [
        ("a", 0, 10),
        ("b", 10, 40),
        ("a", 40, 50),
        ("c", 50, 90),
        ("a", 90, 100),
    ]


def test_of_children_side_by_side_only_the_last_to_finish_counts():
    assert path_of(span("a", None, 0, 100), span("b", "a", 10, 60), span("c", "a", 20, 90)) == [
        ("a", 0, 20),
        ("c", 20, 90),
        ("a", 90, 100),
    ]


def test_a_child_that_ends_when_the_next_starts_does_not_precede_it():
    assert path_of(span("a", None, 0, 100), span("b", "a", 0, 50), span("c", "a", 50, 100)) == [
        ("a", 0, 50),
        ("c", 50, 100),
    ]


def test_what_a_consumer_does_is_not_waited_for():
    producer = Span("t", "b", "a", "s", "b", "producer", 10, 80)
    consumer = Span("t", "c", "b", "s", "c", "consumer", 20, 60)
    assert path_of(span("a", None, 0, 100), producer, consumer) == [("a", 0, 10), ("b", 10, 90), ("a", 90, 100)]


def test_of_two_that_end_together_the_longer_is_taken():
    assert path_of(span("a", None, 0, 100), span("b", "a", 10, 90), span("c", "a", 30, 90)) == [
        ("a", 0, 10),
        ("b", 10, 90),
        ("a", 90, 100),
    ]


def test_of_two_alike_the_lesser_id_is_taken():
    assert path_of(span("a", None, 0, 100), span("c", "a", 10, 90), span("b", "a", 10, 90))[1] == ("b", 10, 90)


def test_a_child_that_overruns_is_cut_not_dropped():
    assert path_of(span("a", None, 0, 100), span("b", "a", 40, 170), span("c", "b", 150, 160)) == [
        ("a", 0, 40),
        ("b", 40, 100),
    ]


def test_a_grandchild_is_cut_to_the_cut_parent():
    assert path_of(span("a", None, 0, 100), span("b", "a", 40, 170), span("c", "b", 60, 160)) == [
        ("a", 0, 40),
        ("b", 40, 60),
        ("c", 60, 100),
    ]


def test_a_child_outside_its_parent_is_not_on_the_path():
    assert path_of(span("a", None, 0, 100), span("b", "a", 100, 200)) == [("a", 0, 100)]


def test_a_chain_of_50_000_spans_needs_no_recursion():
    spans = [span("0", None, 0, 200_000)]
    spans += [span(str(i), str(i - 1), i, 200_000 - i) for i in range(1, 50_000)]
    assert sum(end - start for _, start, end in path_of(*spans)) == 200_000


@st.composite
def traces(draw: st.DrawFn) -> list[Span]:
    count = draw(st.integers(1, 25))
    spans = []
    for at in range(count):
        start = draw(st.integers(0, 60))
        spans.append(
            Span(
                "t",
                str(at),
                None if at == 0 else str(draw(st.integers(0, at - 1))),
                draw(st.sampled_from("xyz")),
                "n",
                "internal",
                start,
                draw(st.integers(0, 60)),
            )
        )
    return spans


def slow_self_ns(start: int, end: int, children: list[tuple[int, int]]) -> int:
    return sum(not any(low <= at < high for low, high in children) for at in range(start, end))


@settings(max_examples=500, deadline=None)
@given(traces())
def test_segments_cover_the_root_exactly(spans):
    forest = plant(spans)
    (root,) = forest.roots
    segments = critical_path(forest, root)
    at = forest.starts_ns[root]
    for segment in segments:
        assert segment.start_ns == at
        assert segment.end_ns > segment.start_ns
        assert forest.starts_ns[segment.span] <= segment.start_ns
        assert segment.end_ns <= forest.end_ns(segment.span)
        at = segment.end_ns
    assert at == forest.end_ns(root)


@settings(max_examples=300, deadline=None)
@given(traces(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(spans, random):
    shuffled = list(spans)
    random.shuffle(shuffled)
    assert plant(shuffled) == plant(spans)


@settings(max_examples=300, deadline=None)
@given(traces())
def test_self_time_is_the_time_with_no_child(spans):
    forest = plant(spans)
    starts = forest.starts_ns
    for at, own in enumerate(self_times_ns(forest)):
        children = [(starts[child], forest.end_ns(child)) for child in forest.children[at]]
        assert own == slow_self_ns(starts[at], forest.end_ns(at), children)
