from __future__ import annotations

from tests.checks.cluster import FULL, IDLE, node, nodes
from tests.checks.verbs import account, finds, is_clear, line
from unslow.checks import all_checks
from unslow.evidence.cluster import Condition
from unslow.finding import Skipped

WAITING = account(line("cpu contended", "waiting for a free core (cpu code)", 60.0))


def test_a_node_without_idle_cores() -> None:
    found = finds("node_saturated", 60.0, nodes=FULL, account=WAITING)
    assert "98% of its 4.0 cores are used" in found.because
    assert any("larger ones" in step for step in found.next_steps)


def test_larger_nodes_are_not_proposed_without_milliseconds() -> None:
    found = finds("node_saturated", 0.0, nodes=FULL, account=account(line("db query", "q", 60.0)))
    assert not any("larger" in step for step in found.next_steps)


def test_a_full_node_on_which_requests_hardly_wait() -> None:
    is_clear("node_saturated", nodes=FULL, account=account(line("cpu contended", "waiting for a free core", 2.0)))


def test_pressure_speaks_before_the_cores_are_all_in_use() -> None:
    finds("node_saturated", 60.0, nodes=nodes(node(cpu_pressure_ratio=0.4, used_cores=3.0)), account=WAITING)


def test_pressure_of_tasks_that_their_quota_stops() -> None:
    # The machine's PSI counts them as waiting for a core; most of its cores are idle.
    throttled = account(line("cpu throttled", "waiting for the next CPU quota period", 60.0))
    is_clear("node_saturated", nodes=nodes(node(cpu_pressure_ratio=0.8, used_cores=1.6)), account=throttled)


def test_time_that_the_machine_below_steals() -> None:
    finds("node_saturated", 60.0, nodes=nodes(node(steal_ratio=0.2)), account=WAITING)


def test_a_disk_pressure_condition_claims_no_cpu_time() -> None:
    pressed = nodes(node(conditions=(Condition(type="DiskPressure", reason="KubeletHasDiskPressure"),)))
    assert "DiskPressure" in finds("node_saturated", 0.0, nodes=pressed, account=WAITING).because


def test_four_fifths_used() -> None:
    is_clear("node_saturated", nodes=nodes(node(used_cores=3.2)), account=WAITING)


def test_reserved_is_not_used() -> None:
    is_clear("node_saturated", nodes=nodes(node(requested_cores=4.0, used_cores=0.4)), account=WAITING)


def test_a_full_node_of_others() -> None:
    is_clear("node_saturated", nodes=nodes(*IDLE.nodes, node("node-b", used_cores=4.0, target_pods=0)), account=WAITING)


def test_use_that_was_not_read() -> None:
    assert isinstance(all_checks()["node_saturated"](nodes=nodes(node(used_cores=None))), Skipped)
