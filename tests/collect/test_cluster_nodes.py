from __future__ import annotations

from tests.collect.kube_objects import made
from unslow.collect.cluster_nodes import Tenants, Used, nodes
from unslow.kube import core


def node(name: str) -> core.Node:
    return made(
        core.Node,
        metadata={"name": name, "labels": {"topology.kubernetes.io/zone": "a"}},
        spec={"unschedulable": name == "n2", "taints": [{"key": "k", "effect": "NoSchedule"}]},
        status={
            "capacity": {"cpu": "4", "memory": "8Gi"},
            "allocatable": {"cpu": "3800m", "memory": "7Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "MemoryPressure", "status": "Unknown"}],
        },
    )


def brief(name: str, on: str, cpu: str = "500m", phase: str = "Running") -> core.BriefPod:
    container = {"resources": {"requests": {"cpu": cpu, "memory": "1Gi"}, "limits": {"cpu": "1"}}}
    return made(
        core.BriefPod,
        metadata={"name": name, "namespace": "shop"},
        spec={"nodeName": on, "containers": [container]},
        status={"phase": phase},
    )


TENANTS = Tenants(
    target=frozenset({("shop", "web")}),
    pods=(brief("web", "n1"), brief("loud", "n1", "1"), brief("quiet", "n1"), brief("done", "n1", "3", "Succeeded")),
    used={("shop", "loud"): Used(1.5, 100), ("shop", "quiet"): Used(0.1, 50)},
)


def test_requests_use_and_neighbours() -> None:
    first, second = nodes([node("n2"), node("n1")], TENANTS, {"n1": Used(2.0, 10)}).nodes
    assert (first.name, first.target_pods, first.pods, first.requested_cores) == ("n1", 1, 3, 2.0)
    assert (first.used_cores, first.allocatable_cores, first.allocatable_pods) == (2.0, 3.8, 110)
    assert first.requested_bytes == 3 * 2**30
    assert [(one.pod, one.cores, one.cpu_limit_cores) for one in first.neighbours] == [
        ("loud", 1.5, 1.0),
        ("quiet", 0.1, 1.0),
    ]
    assert (first.ready, first.zone, first.taints[0].key) == (True, "a", "k")
    assert first.conditions[1].status == "Unknown"
    assert (second.cordoned, second.pods) == (True, 0)


def test_nodes_whose_pods_were_not_listed_are_left_out() -> None:
    partial = Tenants(target=TENANTS.target, pods=TENANTS.pods, complete=False)
    assert [one.name for one in nodes([node("n1"), node("n2")], partial, {}).nodes] == ["n1"]
