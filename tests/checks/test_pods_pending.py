from __future__ import annotations

from tests.checks.cluster import MIB, WINDOW, container, node, nodes, pending, pod, pods
from tests.checks.verbs import account, finds, is_clear, line
from unslow.evidence.cluster import Condition, NodeClaim, NodePool, Provisioning

QUEUE = account(line("queue", "waiting for a free worker", 60.0))
SAID = "0/2 nodes are available: 2 Insufficient cpu"
HUGE = pending("b", container(cpu_request_cores=16.0), unschedulable=SAID)


def test_a_pod_too_large_for_any_node() -> None:
    found = finds("pods_pending", 60.0, pods=pods(pod("a"), HUGE), window=WINDOW, nodes=nodes(node()), account=QUEUE)
    assert SAID in found.because
    assert "reserves 16000m and 128 MiB, the emptiest of 1 nodes has 2000m" in found.because
    assert "for 120 s" in found.because
    assert "no node is large enough for 16000m" in found.next_steps[0]


def test_too_much_memory_for_any_node() -> None:
    heavy = pending("b", container(memory_request_bytes=64_000 * MIB), unschedulable=SAID)
    found = finds("pods_pending", 0.0, pods=pods(pod("a"), heavy), window=WINDOW, nodes=nodes(node()))
    assert "large enough for 64000 MiB" in found.next_steps[0]


def test_the_provisioner_is_at_its_limit() -> None:
    pool = NodePool(name="general", limit_cores=64.0, used_cores=63.0)
    found = finds("pods_pending", pods=pods(HUGE), window=WINDOW, provisioning=Provisioning(pools=(pool,)))
    assert "NodePool general has 63 of its limit of 64 cores" in found.because


def test_a_machine_that_the_cloud_does_not_have() -> None:
    failed = Condition(type="Launched", status="False", reason="InsufficientCapacity")
    claim = NodeClaim(name="general-x", pool="general", created_s=WINDOW.end_s - 90.0, conditions=(failed,))
    found = finds("pods_pending", pods=pods(HUGE), window=WINDOW, provisioning=Provisioning(claims=(claim,)))
    assert "NodeClaim general-x is not Launched after 90 s: InsufficientCapacity" in found.because


def test_a_machine_that_is_booting_is_no_obstacle() -> None:
    booting = Condition(type="Registered", status="Unknown")
    claim = NodeClaim(name="general-x", pool="general", created_s=WINDOW.end_s - 60.0, conditions=(booting,))
    found = finds("pods_pending", pods=pods(HUGE), window=WINDOW, provisioning=Provisioning(claims=(claim,)))
    assert "NodeClaim" not in found.because


def test_pending_for_twenty_seconds() -> None:
    is_clear("pods_pending", pods=pods(pending("b", created_s=WINDOW.end_s - 20.0)), window=WINDOW, account=QUEUE)


def test_a_pod_whose_image_is_coming() -> None:
    is_clear("pods_pending", pods=pods(pending("b", node="node-a")), window=WINDOW, account=QUEUE)
