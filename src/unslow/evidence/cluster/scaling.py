"""What adds pods, sizes them, and keeps their number down."""

from __future__ import annotations

from typing import Literal

import msgspec

from unslow.evidence.cluster.condition import Condition


class HpaMetric(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["Resource", "ContainerResource", "Pods", "Object", "External"]
    name: str
    """cpu, memory, or the metric's name."""
    target: float
    """Ratio for utilization (0.8 is 80 % of the request), cores or bytes for a value, else the metric's own unit."""
    target_kind: Literal["Utilization", "AverageValue", "Value"] = "Utilization"
    current: float | None = None
    """Same unit; None: the autoscaler cannot read it."""


class Rescale(msgspec.Struct, frozen=True, kw_only=True):
    at_s: float
    replicas_from: int | None = None
    replicas_to: int


class Hpa(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    target: str
    """`Deployment/NAME`."""
    replicas_min: int = 1
    replicas_max: int
    replicas_now: int
    replicas_desired: int
    metrics: tuple[HpaMetric, ...] = ()
    conditions: tuple[Condition, ...] = ()
    """ScalingActive, AbleToScale, ScalingLimited."""
    rescales: tuple[Rescale, ...] = ()
    """Oldest first, as far back as `rescales_s`."""
    rescales_s: float = 3600.0
    stabilization_down_s: float | None = None


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """Of a VerticalPodAutoscaler, for one container."""

    container: str
    cpu_target_cores: float | None = None
    cpu_lower_cores: float | None = None
    cpu_upper_cores: float | None = None
    memory_target_bytes: int | None = None
    memory_lower_bytes: int | None = None
    memory_upper_bytes: int | None = None


class Vpa(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    update_mode: Literal["Off", "Initial", "Recreate", "Auto", "InPlaceOrRecreate"] = "Auto"
    recommendations: tuple[Recommendation, ...] = ()


class Autoscalers(msgspec.Struct, frozen=True, kw_only=True):
    """Autoscalers that point to the workload; empty when there is none."""

    hpas: tuple[Hpa, ...] = ()
    vpas: tuple[Vpa, ...] = ()
    vpa_installed: bool = False
    metrics_api: bool | None = None
    """Whether metrics.k8s.io answers."""


class QuotaItem(msgspec.Struct, frozen=True, kw_only=True):
    resource: str
    """requests.cpu, limits.memory, pods, ..."""
    hard: float
    """Cores, bytes or a count."""
    used: float


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    items: tuple[QuotaItem, ...] = ()


class Quotas(msgspec.Struct, frozen=True, kw_only=True):
    """ResourceQuotas of the namespace, and defaults of its LimitRanges."""

    quotas: tuple[Quota, ...] = ()
    default_cpu_limit_cores: float | None = None
    default_memory_limit_bytes: int | None = None


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A PodDisruptionBudget that selects the target's pods."""

    name: str
    min_available: str = ""
    max_unavailable: str = ""
    healthy: int
    desired_healthy: int
    expected: int
    disruptions_allowed: int


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    budgets: tuple[Budget, ...] = ()
