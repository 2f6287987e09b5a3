"""Nodes, and who adds them."""

from __future__ import annotations

from typing import Literal

import msgspec

from unslow.evidence.cluster.condition import Condition


class Taint(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    value: str = ""
    effect: str = "NoSchedule"


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """Another pod on a node of the target."""

    namespace: str
    pod: str
    cores: float | None = None
    """Mean over the window."""
    memory_bytes: int | None = None
    cpu_request_cores: float = 0.0
    memory_request_bytes: int = 0
    cpu_limit_cores: float | None = None


class Node(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    zone: str = ""
    instance_type: str = ""
    target_pods: int = 0
    """Pods of the workload on it."""
    pods: int = 0
    ready: bool = True
    cordoned: bool = False
    created_s: float | None = None
    capacity_cores: float = 0.0
    allocatable_cores: float = 0.0
    requested_cores: float = 0.0
    used_cores: float | None = None
    capacity_bytes: int = 0
    allocatable_bytes: int = 0
    requested_bytes: int = 0
    used_bytes: int | None = None
    allocatable_pods: int = 110
    cpu_pressure_ratio: float | None = None
    memory_pressure_ratio: float | None = None
    io_pressure_ratio: float | None = None
    steal_ratio: float | None = None
    disk_busy_ratio: float | None = None
    conditions: tuple[Condition, ...] = ()
    taints: tuple[Taint, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    """Largest users of the node's cores that are not the target."""


class Nodes(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes of the cluster (`target_pods` > 0: those that run the workload)."""

    nodes: tuple[Node, ...]


class NodePool(msgspec.Struct, frozen=True, kw_only=True):
    """A Karpenter NodePool."""

    name: str
    conditions: tuple[Condition, ...] = ()
    limit_cores: float | None = None
    used_cores: float | None = None
    limit_bytes: int | None = None
    used_bytes: int | None = None
    consolidation: str = ""
    """WhenEmpty, WhenEmptyOrUnderutilized."""
    consolidate_after_s: float | None = None
    disruptions_per_h: float | None = None
    """Nodes that it took away, an hour."""


class NodeClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A Karpenter NodeClaim: a node that is wanted, coming, or there."""

    name: str
    pool: str
    created_s: float
    instance_type: str = ""
    conditions: tuple[Condition, ...] = ()
    """Launched, Registered, Initialized, Ready, ..."""


class Provisioning(msgspec.Struct, frozen=True, kw_only=True):
    """Who adds nodes; absent where nobody does."""

    kind: Literal["karpenter", "cluster-autoscaler"] = "karpenter"
    pools: tuple[NodePool, ...] = ()
    claims: tuple[NodeClaim, ...] = ()
