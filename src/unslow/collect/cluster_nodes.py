"""Nodes, what their pods ask of them, and who else uses them -> evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from unslow.collect.cluster_pods import zone_of
from unslow.evidence.cluster import Condition, Neighbour, Node, Nodes, Taint
from unslow.kube import core
from unslow.kube.meta import unix
from unslow.kube.quantity import quantity, whole

NEIGHBOURS = 8
"""Of each node: the largest users of its cores."""


@dataclass(frozen=True, slots=True)
class Used:
    """Cores and bytes in use."""

    cores: float | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Tenants:
    """Who is on the nodes."""

    target: frozenset[tuple[str, str]]
    """Namespace and name of the workload's pods."""
    pods: tuple[core.BriefPod, ...]
    complete: bool = True
    """False: only pods of the target's nodes were listed."""
    used: Mapping[tuple[str, str], Used] = field(default_factory=dict)
    """By namespace and pod."""


def nodes(found: Iterable[core.Node], tenants: Tenants, used: Mapping[str, Used]) -> Nodes:
    """Nodes whose pods are not known are left out: free room that is not free would mislead."""
    by_node: dict[str, list[core.BriefPod]] = {}
    for pod in tenants.pods:
        if pod.spec.node_name and pod.status.phase not in {"Succeeded", "Failed"}:
            by_node.setdefault(pod.spec.node_name, []).append(pod)
    named = sorted(found, key=lambda node: node.metadata.name)
    kept = named if tenants.complete else [node for node in named if node.metadata.name in by_node]
    return Nodes(nodes=tuple(_node(node, by_node.get(node.metadata.name, []), tenants, used) for node in kept))


def _node(node: core.Node, on_it: list[core.BriefPod], tenants: Tenants, used: Mapping[str, Used]) -> Node:
    labels, status = node.metadata.labels or {}, node.status
    capacity, allocatable = status.capacity or {}, status.allocatable or {}
    requested = [_requested(pod) for pod in on_it]
    now = used.get(node.metadata.name, Used())
    conditions = tuple(condition(one) for one in status.conditions or ())
    return Node(
        name=node.metadata.name,
        zone=zone_of(node),
        instance_type=labels.get("node.kubernetes.io/instance-type", ""),
        target_pods=sum(_key(pod) in tenants.target for pod in on_it),
        pods=len(on_it),
        ready=any(one.type == "Ready" and one.status == "True" for one in conditions),
        cordoned=node.spec.unschedulable,
        created_s=node.metadata.created_s,
        capacity_cores=quantity(capacity.get("cpu")) or 0.0,
        allocatable_cores=quantity(allocatable.get("cpu")) or 0.0,
        requested_cores=sum(cores for cores, _ in requested),
        used_cores=now.cores,
        capacity_bytes=whole(capacity.get("memory")) or 0,
        allocatable_bytes=whole(allocatable.get("memory")) or 0,
        requested_bytes=sum(size for _, size in requested),
        used_bytes=now.memory_bytes,
        allocatable_pods=whole(allocatable.get("pods")) or 0,
        conditions=conditions,
        taints=tuple(Taint(key=one.key, value=one.value, effect=one.effect) for one in node.spec.taints or ()),
        neighbours=_neighbours(on_it, tenants),
    )


def condition(one: core.Condition) -> Condition:
    status = one.status if one.status in {"True", "False"} else "Unknown"
    return Condition(
        type=one.type,
        status=status,  # type: ignore[arg-type]
        reason=one.reason,
        message=one.message,
        since_s=unix(one.last_transition_time),
    )


def _neighbours(on_it: list[core.BriefPod], tenants: Tenants) -> tuple[Neighbour, ...]:
    strangers = [pod for pod in on_it if _key(pod) not in tenants.target]
    ranked = sorted(strangers, key=lambda pod: (-(tenants.used.get(_key(pod), Used()).cores or 0.0), _key(pod)))
    return tuple(_neighbour(pod, tenants.used.get(_key(pod), Used())) for pod in ranked[:NEIGHBOURS])


def _neighbour(pod: core.BriefPod, used: Used) -> Neighbour:
    cores, size = _requested(pod)
    limits = [quantity((one.resources.limits or {}).get("cpu")) for one in pod.spec.containers]
    known = [limit for limit in limits if limit is not None]
    return Neighbour(
        namespace=pod.metadata.namespace,
        pod=pod.metadata.name,
        cores=used.cores,
        memory_bytes=used.memory_bytes,
        cpu_request_cores=cores,
        memory_request_bytes=size,
        cpu_limit_cores=sum(known) if known and len(known) == len(limits) else None,
    )


def _requested(pod: core.BriefPod) -> tuple[float, int]:
    """Cores and bytes; a limit without a request is the request (the API server fills that in)."""
    asked = [one.resources.requests or {} for one in pod.spec.containers]
    return sum(quantity(one.get("cpu")) or 0.0 for one in asked), sum(whole(one.get("memory")) or 0 for one in asked)


def _key(pod: core.BriefPod) -> tuple[str, str]:
    return pod.metadata.namespace, pod.metadata.name


def per_node(pods: Iterable[core.Pod]) -> Counter[str]:
    return Counter(pod.spec.node_name for pod in pods if pod.spec.node_name)
