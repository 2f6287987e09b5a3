"""Objects that only some clusters know: the metrics API, Karpenter, the vertical autoscaler."""

from __future__ import annotations

from datetime import datetime

import msgspec

from unslow.kube.core import Condition, Quantities
from unslow.kube.meta import Meta
from unslow.kube.workloads import Reference


class ContainerUsage(msgspec.Struct, frozen=True):
    name: str
    usage: Quantities = {}


class PodMetrics(msgspec.Struct, frozen=True):
    metadata: Meta
    timestamp: datetime | None = None
    window: str = ""
    containers: tuple[ContainerUsage, ...] | None = None


class NodeMetrics(msgspec.Struct, frozen=True):
    metadata: Meta
    timestamp: datetime | None = None
    usage: Quantities = {}


class Disruption(msgspec.Struct, frozen=True, rename="camel"):
    consolidation_policy: str = ""
    consolidate_after: str = ""


class PoolSpec(msgspec.Struct, frozen=True):
    limits: Quantities | None = None
    disruption: Disruption = Disruption()


class PoolStatus(msgspec.Struct, frozen=True):
    resources: Quantities | None = None
    conditions: tuple[Condition, ...] | None = None


class NodePool(msgspec.Struct, frozen=True):
    metadata: Meta
    spec: PoolSpec = PoolSpec()
    status: PoolStatus = PoolStatus()


class ClaimStatus(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""
    conditions: tuple[Condition, ...] | None = None


class NodeClaim(msgspec.Struct, frozen=True):
    metadata: Meta
    status: ClaimStatus = ClaimStatus()


class UpdatePolicy(msgspec.Struct, frozen=True, rename="camel"):
    update_mode: str = "Auto"


class VpaSpec(msgspec.Struct, frozen=True, rename="camel"):
    target_ref: Reference = Reference()
    update_policy: UpdatePolicy | None = None


class Recommended(msgspec.Struct, frozen=True, rename="camel"):
    container_name: str = ""
    target: Quantities | None = None
    lower_bound: Quantities | None = None
    upper_bound: Quantities | None = None


class Recommendation(msgspec.Struct, frozen=True, rename="camel"):
    container_recommendations: tuple[Recommended, ...] | None = None


class VpaStatus(msgspec.Struct, frozen=True):
    recommendation: Recommendation | None = None


class Vpa(msgspec.Struct, frozen=True):
    metadata: Meta
    spec: VpaSpec = VpaSpec()
    status: VpaStatus = VpaStatus()
