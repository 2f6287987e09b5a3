"""What tests of cluster checks say: pods, nodes and their kin in a healthy state, and what differs."""

from __future__ import annotations

from typing import Any

from unslow.evidence.cluster import (
    Autoscalers,
    Container,
    Endpoint,
    Hpa,
    HpaMetric,
    Latency,
    Neighbour,
    Node,
    Nodes,
    Pod,
    Pods,
    Service,
    Services,
    Usage,
    Workload,
)
from unslow.evidence.window import Window

WINDOW = Window(start_s=10_000.0, end_s=10_060.0)
MIB = 2**20


def usage(**changes: Any) -> Usage:
    return Usage(**({"cores": 0.2, "memory_bytes": 100 * MIB} | changes))


def container(**changes: Any) -> Container:
    normal: dict[str, Any] = {
        "name": "app",
        "ready": True,
        "state": "running",
        "cpu_request_cores": 0.25,
        "memory_request_bytes": 128 * MIB,
        "memory_limit_bytes": 256 * MIB,
        "usage": usage(),
    }
    return Container(**(normal | changes))


def pod(name: str = "shop-1", *containers: Container, **changes: Any) -> Pod:
    normal: dict[str, Any] = {
        "name": name,
        "namespace": "market",
        "node": "node-a",
        "zone": "zone-a",
        "version": "v1",
        "ready": True,
        "created_s": 1000.0,
        "ready_since_s": 1010.0,
        "qos": "Burstable",
        "containers": containers or (container(),),
    }
    return Pod(**(normal | changes))


def pods(*some: Pod, looked_into: str = "") -> Pods:
    return Pods(pods=some, looked_into=looked_into)


def timed(name: str, mean_ms: float, requests: float = 400.0, **changes: Any) -> Pod:
    """A pod whose requests were timed."""
    return pod(name, latency=Latency(requests=requests, mean_s=mean_ms / 1e3), **changes)


def pending(name: str, *containers: Container, **changes: Any) -> Pod:
    """A pod that has no node since two minutes before the end of the window."""
    normal = {"node": "", "phase": "Pending", "ready": False, "created_s": WINDOW.end_s - 120.0, "ready_since_s": None}
    return pod(name, *containers, **(normal | changes))


def node(name: str = "node-a", *neighbours: Neighbour, **changes: Any) -> Node:
    normal: dict[str, Any] = {
        "name": name,
        "target_pods": 1,
        "capacity_cores": 4.0,
        "allocatable_cores": 4.0,
        "requested_cores": 2.0,
        "used_cores": 1.6,
        "capacity_bytes": 8192 * MIB,
        "allocatable_bytes": 8000 * MIB,
        "requested_bytes": 2000 * MIB,
        "neighbours": neighbours,
    }
    return Node(**(normal | changes))


def nodes(*some: Node) -> Nodes:
    return Nodes(nodes=some)


FULL = nodes(node(used_cores=3.9))
IDLE = nodes(node(used_cores=0.8))


def workload(**changes: Any) -> Workload:
    normal: dict[str, Any] = {
        "kind": "Deployment",
        "namespace": "market",
        "name": "shop",
        "replicas_wanted": 3,
        "replicas_ready": 3,
    }
    return Workload(**(normal | changes))


def cpu_metric(current: float | None, target: float = 0.7) -> HpaMetric:
    return HpaMetric(kind="Resource", name="cpu", target=target, current=current)


def hpa(*metrics: HpaMetric, **changes: Any) -> Hpa:
    normal: dict[str, Any] = {
        "name": "shop",
        "target": "Deployment/shop",
        "replicas_max": 5,
        "replicas_now": 3,
        "replicas_desired": 3,
        "metrics": metrics or (cpu_metric(0.5),),
    }
    return Hpa(**(normal | changes))


def autoscalers(*hpas: Hpa, **changes: Any) -> Autoscalers:
    return Autoscalers(hpas=hpas, **changes)


def stopped_dependency(name: str, ratio: float) -> Services:
    """A called service with one pod that its quota stops in `ratio` of its periods."""
    behind = Endpoint(address="10.0.0.9", pod=f"{name}-1", throttled_container="app", throttled_ratio=ratio)
    return Services(services=(Service(name=name, namespace="market", role="dependency", endpoints=(behind,)),))
