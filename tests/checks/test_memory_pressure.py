from __future__ import annotations

from tests.checks.cluster import MIB, WINDOW, container, node, nodes, pod, pods, usage
from tests.checks.verbs import finds, is_clear, memory
from unslow.checks import all_checks
from unslow.evidence.cluster import Condition, Termination
from unslow.finding import Skipped


def held(mib: int, **changes: object) -> object:
    return pods(pod("a", container(usage=usage(memory_bytes=mib * MIB, **changes))))


def killed(seconds_ago: float) -> object:
    ended = Termination(reason="OOMKilled", exit_code=137, ended_s=WINDOW.start_s - seconds_ago)
    return pods(pod("a", container(restarts=2, last_termination=ended)))


def test_a_container_at_its_limit_that_faults() -> None:
    found = finds("memory_pressure", window=WINDOW, pods=held(250, major_faults_per_s=300.0))
    assert "holds 250 MiB of 256 MiB" in found.because


def test_a_container_that_was_killed() -> None:
    assert "2 restarts" in finds("memory_pressure", window=WINDOW, pods=killed(600.0)).because


def test_a_node_that_reclaims() -> None:
    pressed = nodes(node(conditions=(Condition(type="MemoryPressure"),)))
    finds("memory_pressure", window=WINDOW, pods=held(100), nodes=pressed)


def test_the_workers_cgroup_on_one_machine() -> None:
    near = memory(used_bytes=500 * MIB, limit_bytes=512 * MIB, pressure_some_ratio=0.3)
    finds("memory_pressure", window=WINDOW, memory=near)
    is_clear("memory_pressure", window=WINDOW, memory=memory())


def test_a_page_cache_that_fills_the_limit() -> None:
    is_clear("memory_pressure", window=WINDOW, pods=held(255))


def test_faults_far_from_the_limit() -> None:
    is_clear("memory_pressure", window=WINDOW, pods=held(200, major_faults_per_s=300.0))


def test_a_kill_of_yesterday() -> None:
    is_clear("memory_pressure", window=WINDOW, pods=killed(86_400.0))


def test_nothing_read() -> None:
    assert isinstance(all_checks()["memory_pressure"](window=WINDOW), Skipped)


def test_a_worker_that_the_kernel_killed_while_its_container_went_on() -> None:
    found = finds("memory_pressure", window=WINDOW, pods=held(100, oom_kills=3))
    assert "the kernel killed 3 of its processes at the limit of 256 MiB" in found.because
    is_clear("memory_pressure", window=WINDOW, pods=held(100, oom_kills=0))
