from __future__ import annotations

from typing import Any

import pytest

from tests.checks.cluster import node, nodes, pod, pods
from tests.checks.verbs import cpu
from unslow.evidence.cluster import Neighbour
from unslow.measure.cluster_nodes import busiest_of_target, free_bytes, free_cores, largest_neighbour, load, machine_of


@pytest.mark.parametrize(
    ("changes", "full"),
    [
        ({"used_cores": 3.59}, False),
        ({"used_cores": 3.6}, True),
        ({"cpu_pressure_ratio": 0.3, "used_cores": 3.0}, True),
        ({"cpu_pressure_ratio": 0.2, "used_cores": 3.0}, False),
        ({"cpu_pressure_ratio": 0.8}, False),  # as with one throttled container on a machine that is half idle
        ({"cpu_pressure_ratio": 0.8, "used_cores": None}, False),
        ({"steal_ratio": 0.06}, True),
        ({"requested_cores": 4.0}, False),
        ({"used_cores": None}, False),
    ],
)
def test_full_by_use_pressure_or_steal_and_never_by_reservation(changes: dict[str, Any], full: bool) -> None:
    assert load(node(**changes)).is_full is full


def test_what_was_seen_from_inside_outranks_averages() -> None:
    machine = machine_of(pods(pod("a"), looked_into="a"), cpu(machine_busy_ratio=0.95))
    assert load(node("node-a", used_cores=1.0), machine).is_full
    assert not load(node("node-b", used_cores=1.0), machine).is_full
    idle = machine_of(pods(pod("a"), looked_into="a"), cpu(machine_busy_ratio=0.2))
    assert not load(node("node-a", used_cores=4.0), idle).is_full
    assert machine_of(pods(pod("a")), cpu()) is machine_of(None, cpu()) is None


def test_only_nodes_of_the_target_count() -> None:
    seen = nodes(node("a", used_cores=1.0), node("b", used_cores=4.0, target_pods=0))
    busy = busiest_of_target(seen)
    assert busy is not None
    assert busy.node.name == "a"
    assert busiest_of_target(nodes()) is busiest_of_target(None) is None


def test_room_is_never_negative() -> None:
    packed = node(requested_cores=9.0, requested_bytes=10**12)
    assert (free_cores(packed), free_bytes(packed)) == (0.0, 0)


def test_the_largest_neighbour_that_is_known() -> None:
    some = [Neighbour(namespace="x", pod=name, cores=cores) for name, cores in (("a", 1.0), ("b", None), ("c", 2.0))]
    found = largest_neighbour(node("n", *some))
    assert found is not None
    assert found.pod == "c"
