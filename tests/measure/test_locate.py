from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unslow.measure.locate import Node, locate

CALLS = {"front": ["a", "b", "queue"], "a": ["store"], "b": ["store", "far"], "far": ["front"]}
SHARE = {"front": 1.0, "a": 0.6, "b": 0.4, "queue": 0.02, "store": 1.0, "far": 0.4}
USUAL = {"front": 0.1, "a": 0.05, "b": 0.04, "queue": 3.0, "store": 0.01, "far": 0.02}


def nodes(
    steps: int, added: dict[str, list[float]], seed: int = 1, traffic: float = 1000.0, noise: float = 1.0
) -> dict[str, Node]:
    """Five per cent of noise on each node; `queue` is rare, slow and varies by a fifth."""
    rng = random.Random(seed)
    return {
        name: Node(
            (traffic * SHARE[name],) * steps,
            tuple(
                cost * (1 + noise * rng.gauss(0, 0.2 if name == "queue" else 0.05))
                + added.get(name, [0.0] * steps)[step]
                for step in range(steps)
            ),
        )
        for name, cost in USUAL.items()
    }


NORMAL = nodes(200, {}, seed=2)


def first(added: dict[str, list[float]], normal=NORMAL, **changes) -> str:
    return locate("front", CALLS, nodes(5, added, **changes), normal).suspects[0].node


def fault(seconds: float) -> list[float]:
    return [0.0, seconds / 2, seconds, seconds, 0.0]


FAULTS = {
    "front": {"front": fault(0.05)},
    "a": {"a": fault(0.1), "front": fault(0.06)},
    # Half of the store's callers' traffic is no share of its time: 0.6 of it is under a, 0.4 under b.
    "store": {"store": fault(0.05), "a": fault(0.05), "b": fault(0.05), "front": fault(0.05)},
    "far": {"far": fault(0.1), "b": fault(0.1), "front": fault(0.04)},
}


@pytest.mark.parametrize("culprit", FAULTS)
def test_the_deepest_node_with_an_excess_of_its_own_is_first(culprit):
    for seed in range(20):
        assert first(FAULTS[culprit], seed=seed) == culprit


@pytest.mark.parametrize("culprit", FAULTS)
def test_without_normal_times_the_steps_in_which_the_target_is_well_are_the_reference(culprit):
    for seed in range(20):
        assert first(FAULTS[culprit], {}, seed=seed, noise=0.3) == culprit


def test_what_its_callees_explain_is_no_own_excess():
    ranking = locate("front", CALLS, nodes(5, FAULTS["far"], noise=0), NORMAL)
    far = ranking.suspects[0]
    assert (far.node, far.own) == ("far", pytest.approx(ranking.excess, rel=0.05))
    # Weighted by the target's suffering: half of 40 ms in one step, all of it in two.
    assert ranking.excess == pytest.approx(0.036, rel=0.1)
    assert sum(one.own for one in ranking.suspects) == pytest.approx(ranking.excess)
    assert ranking.sigmas > 5
    (between,) = [one for one in ranking.suspects if one.node == "b"]
    assert between.total > 0.03
    assert between.own < 0.01


def test_more_traffic_at_the_usual_cost_is_no_fault():
    ranking = locate("front", CALLS, nodes(5, {}, traffic=5000.0), NORMAL)
    assert ranking.sigmas < 4


def test_a_node_never_seen_before_burdens_who_started_to_call_it():
    added = {"a": fault(0.1), "front": fault(0.06)}
    incident = {**nodes(5, added), "new": Node((0.0, 300.0, 600.0, 600.0, 0.0), (None, 0.1, 0.1, 0.1, None))}
    ranking = locate("front", {**CALLS, "a": ["store", "new"]}, incident, NORMAL)
    assert ranking.suspects[0].node == "a"


def test_a_rare_noisy_node_seldom_outweighs_a_small_fault():
    found = sum(first({"a": fault(0.05), "front": fault(0.03)}, seed=seed) == "a" for seed in range(100))
    assert found >= 90


def test_a_reference_that_has_drifted_is_replaced_by_the_time_before():
    drifted = {name: Node(node.requests, tuple(cost * 3 for cost in node.cost)) for name, node in NORMAL.items()}
    assert first(FAULTS["store"], drifted) == "store"


def test_no_excess_names_nobody_and_says_why():
    steady = {name: Node((10.0,) * 5, (1.0,) * 5) for name in USUAL}
    ranking = locate("front", CALLS, steady, {})
    assert (ranking.excess, ranking.sigmas) == (0.0, 0.0)
    assert {one.reason for one in ranking.suspects} == {"no excess that the target would feel"}
    assert [one.node for one in ranking.suspects] == sorted(USUAL)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_graph_and_any_gaps(data):
    names = ["front", "x", "y", "z"]
    numbers = st.none() | st.floats(0, 1e6)
    calls = {name: data.draw(st.lists(st.sampled_from([*names, "unknown"]), unique=True)) for name in names}
    incident, normal = (
        {
            name: Node(*(tuple(data.draw(st.lists(numbers, min_size=steps, max_size=steps))) for _ in range(2)))
            for name in data.draw(st.lists(st.sampled_from(names), unique=True))
        }
        for steps in (5, 8)
    )
    ranking = locate("front", calls, incident, normal)
    assert sorted(one.node for one in ranking.suspects) == sorted(incident)
    assert all(one.own >= -1e-9 * max(1.0, ranking.excess) for one in ranking.suspects)
    assert ranking == locate("front", calls, incident, normal)
