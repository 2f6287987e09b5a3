from __future__ import annotations

import random

from unslow.measure.locate_use import outlying, with_use


def use(names, minutes, seed):
    rng = random.Random(seed)
    return {name: [rng.lognormvariate(0, 0.5) for _ in range(minutes)] for name in names}


NAMES = [f"pod{at}" for at in range(40)]
NORMAL = use(NAMES, 700, 1)


def test_a_node_far_beyond_its_record_is_named_alone():
    now = use(NAMES, 4, 2)
    now["pod7"][1] += 60
    now["pod7"][2] += 60
    assert list(outlying(now, NORMAL)) == ["pod7"]


def test_records_among_many_nodes_are_chance():
    named = sum(bool(outlying(use(NAMES, 4, seed), NORMAL)) for seed in range(3, 103))
    assert named <= 5


def test_a_node_without_normal_times_or_that_never_moved_says_nothing():
    assert outlying({"new": [9.0], "flat": [9.0], "none": []}, {"flat": [1.0, 1.0], "none": [1.0, 2.0]}) == {}


def test_use_decides_between_unsure_ranks_and_not_against_a_sure_one():
    assert with_use({"a": 0.5, "b": 0.4, "c": 0.1}, {"c"}) == ["c", "a", "b"]
    assert with_use({"a": 0.97, "b": 0.03, "c": 0.0}, {"c"}) == ["a", "c", "b"]
    assert with_use({"a": 0.5, "b": 0.4}, ()) == ["a", "b"]
