from __future__ import annotations

from unslow.evidence.span import Span
from unslow.measure.self_time import self_times_ns
from unslow.measure.span_tree import plant


def own_times(*rows: tuple[str, str | None, int, int]) -> dict[str, int]:
    forest = plant(Span("t", name, parent, "s", name, "internal", low, high - low) for name, parent, low, high in rows)
    return {span.name: own for span, own in zip(forest.spans, self_times_ns(forest), strict=True)}


def test_overlapping_children_count_once():
    assert own_times(("a", None, 0, 100), ("b", "a", 10, 60), ("c", "a", 40, 80)) == {
        "a": 30,
        "b": 50,
        "c": 40,
    }


def test_a_child_inside_another_adds_nothing():
    assert own_times(("a", None, 0, 100), ("b", "a", 10, 80), ("c", "a", 20, 30))["a"] == 30


def test_a_child_is_cut_to_its_parent_on_both_sides():
    assert own_times(("a", None, 10, 100), ("b", "a", 0, 20), ("c", "a", 90, 300))["a"] == 70


def test_a_child_outside_covers_nothing_and_keeps_its_own_time():
    assert own_times(("a", None, 0, 100), ("b", "a", 100, 150)) == {"a": 100, "b": 50}


def test_self_time_is_never_negative():
    assert own_times(("a", None, 0, 10), ("b", "a", 0, 10), ("c", "a", 0, 10))["a"] == 0
