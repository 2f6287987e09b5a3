"""Workloads, their revisions, and what scales and guards them."""

from __future__ import annotations

import msgspec

from unslow.kube.core import Condition, PodSpec
from unslow.kube.meta import ManagedMeta, Meta, Selector


class Template(msgspec.Struct, frozen=True):
    metadata: Meta = Meta()
    spec: PodSpec = PodSpec()


class WorkloadSpec(msgspec.Struct, frozen=True):
    selector: Selector = Selector()
    template: Template = Template()
    replicas: int | None = None


class WorkloadStatus(msgspec.Struct, frozen=True, rename="camel"):
    replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int | None = None
    conditions: tuple[Condition, ...] | None = None
    desired_number_scheduled: int = 0
    number_ready: int = 0
    updated_number_scheduled: int | None = None


class Workload(msgspec.Struct, frozen=True):
    """A Deployment, StatefulSet or DaemonSet."""

    metadata: ManagedMeta
    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()


class ReplicaSet(msgspec.Struct, frozen=True):
    metadata: ManagedMeta
    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()


class RevisionData(msgspec.Struct, frozen=True):
    spec: WorkloadSpec = WorkloadSpec()


class ControllerRevision(msgspec.Struct, frozen=True):
    """Of a StatefulSet or DaemonSet."""

    metadata: Meta
    revision: int = 0
    data: RevisionData = RevisionData()


class Reference(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""


class MetricTarget(msgspec.Struct, frozen=True, rename="camel"):
    type: str = ""
    average_utilization: int | None = None
    average_value: str | int | float | None = None
    value: str | int | float | None = None


class MetricName(msgspec.Struct, frozen=True):
    name: str = ""


class MetricPart(msgspec.Struct, frozen=True):
    """Of the wish (`target`) or of what was read (`current`)."""

    name: str = ""
    container: str = ""
    metric: MetricName = MetricName()
    target: MetricTarget = MetricTarget()
    current: MetricTarget = MetricTarget()


class Metric(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    resource: MetricPart | None = None
    container_resource: MetricPart | None = None
    pods: MetricPart | None = None
    object: MetricPart | None = None
    external: MetricPart | None = None

    @property
    def part(self) -> MetricPart:
        return self.resource or self.container_resource or self.pods or self.object or self.external or MetricPart()


class ScalingRules(msgspec.Struct, frozen=True, rename="camel"):
    stabilization_window_seconds: int | None = None


class Behavior(msgspec.Struct, frozen=True, rename="camel"):
    scale_down: ScalingRules | None = None


class HpaSpec(msgspec.Struct, frozen=True, rename="camel"):
    scale_target_ref: Reference = Reference()
    min_replicas: int | None = None
    max_replicas: int = 0
    metrics: tuple[Metric, ...] | None = None
    behavior: Behavior | None = None


class HpaStatus(msgspec.Struct, frozen=True, rename="camel"):
    current_replicas: int = 0
    desired_replicas: int = 0
    current_metrics: tuple[Metric, ...] | None = None
    conditions: tuple[Condition, ...] | None = None


class Hpa(msgspec.Struct, frozen=True):
    metadata: Meta
    spec: HpaSpec = HpaSpec()
    status: HpaStatus = HpaStatus()


class BudgetSpec(msgspec.Struct, frozen=True, rename="camel"):
    selector: Selector | None = None
    min_available: str | int | None = None
    max_unavailable: str | int | None = None


class BudgetStatus(msgspec.Struct, frozen=True, rename="camel"):
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    disruptions_allowed: int = 0


class DisruptionBudget(msgspec.Struct, frozen=True):
    metadata: Meta
    spec: BudgetSpec = BudgetSpec()
    status: BudgetStatus = BudgetStatus()
