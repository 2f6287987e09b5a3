from __future__ import annotations

from tests.checks.cluster import FULL, IDLE, container, pod, pods
from tests.checks.verbs import account, finds, is_clear, line

NOTHING = pods(pod("a", container(cpu_request_cores=None, memory_request_bytes=None), qos="BestEffort"))
WAITING = account(line("cpu contended", "waiting for a free core (cpu code)", 60.0))


def test_no_request_on_a_full_node() -> None:
    found = finds("requests_missing", 60.0, pods=NOTHING, nodes=FULL, account=WAITING)
    assert "app (CPU, memory)" in found.because


def test_on_an_idle_node_nobody_goes_without() -> None:
    assert "app (CPU, memory)" in is_clear("requests_missing", pods=NOTHING, nodes=IDLE, account=WAITING).because


def test_where_the_nodes_are_not_known_it_is_a_lead() -> None:
    assert finds("requests_missing", 0.0, pods=NOTHING, account=WAITING).confidence < 0.3


def test_memory_alone_is_missing() -> None:
    assert (
        "app (memory)" in finds("requests_missing", pods=pods(pod("a", container(memory_request_bytes=None)))).because
    )


def test_a_sidecar_without_requests() -> None:
    proxy = container(name="proxy", sidecar=True, cpu_request_cores=None, memory_request_bytes=None)
    is_clear("requests_missing", pods=pods(pod("a", container(), proxy)), nodes=FULL, account=WAITING)
