from __future__ import annotations

from unslow.evidence.span import Span
from unslow.measure.span_tree import plant


def span(
    name: str, parent: str | None, start: int = 0, duration: int = 10, trace: str = "t", service: str = "s"
) -> Span:
    return Span(trace, name, parent, service, name, "internal", start, duration)


def names(forest) -> list[str]:
    return [one.name for one in forest.spans]


def test_an_orphan_and_all_below_it_are_left_out_and_counted():
    forest = plant([span("a", None), span("b", "gone"), span("c", "b")])
    assert names(forest) == ["a"]
    assert forest.excluded == (("orphan", 2),)


def test_a_trace_whose_caller_did_not_report_keeps_its_spans():
    forest = plant([span("b", "gone"), span("c", "b"), span("d", "gone", start=20)])
    assert [forest.spans[root].name for root in forest.roots] == ["b", "d"]
    assert (forest.excluded, forest.repaired) == ((), (("missing root", 2),))


def test_cycles_and_what_hangs_from_them_are_left_out():
    forest = plant([span("a", None), span("b", "c"), span("c", "b"), span("d", "c"), span("e", "e")])
    assert names(forest) == ["a"]
    assert forest.excluded == (("cycle of parents", 4),)


def test_of_two_reports_of_one_span_the_longer_is_kept():
    forest = plant([span("a", None, duration=5), span("a", None, duration=9), span("a", None, duration=9)])
    assert [one.duration_ns for one in forest.spans] == [9]
    assert forest.excluded == (("duplicate", 2),)


def test_the_same_span_id_in_two_traces_is_two_spans():
    forest = plant([span("a", None, trace="t1"), span("a", None, trace="t2"), span("b", "a", trace="t2")])
    assert len(forest.roots) == 2
    assert forest.excluded == ()


def test_a_negative_duration_is_left_out():
    assert plant([span("a", None), span("b", "a", duration=-1)]).excluded == (("negative duration", 1),)


def test_a_callee_that_starts_before_its_caller_is_shifted_with_all_on_its_host():
    forest = plant(
        [
            span("call", None, start=1000, duration=100),
            span("serve", "call", start=400, duration=60, service="far"),
            span("inner", "serve", start=410, duration=20, service="far"),
        ]
    )
    assert dict(zip(names(forest), forest.starts_ns, strict=True)) == {
        "call": 1000,
        "serve": 1020,
        "inner": 1030,
    }
    assert forest.repaired == (("clock skew", 1),)


def test_a_callee_that_ends_late_keeps_its_clock():
    forest = plant(
        [
            span("call", None, start=1000, duration=100),
            span("serve", "call", start=1010, duration=500, service="far"),
        ]
    )
    assert forest.starts_ns == (1000, 1010)
    assert forest.repaired == (("overran its parent", 1),)


def test_nothing_planted_is_an_empty_forest():
    assert plant([]).roots == ()
