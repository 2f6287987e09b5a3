"""What an autoscaler reads, wants and did, in words and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from unslow.evidence.cluster import Condition, Hpa, HpaMetric, Pod, Rescale
from unslow.measure.cluster_sizing import mib, millicores

TOLERANCE = 0.1
"""Of the autoscaler itself: within a tenth of the target it does nothing."""


def above_target(metric: HpaMetric) -> float | None:
    """Current over target; None when it cannot be read or has no target."""
    return metric.current / metric.target if metric.current is not None and metric.target else None


def wants_more(hpa: Hpa) -> bool:
    """Whether a metric is above its target by more than the autoscaler tolerates."""
    return any((above_target(metric) or 0.0) > 1 + TOLERANCE for metric in hpa.metrics)


def reading(metric: HpaMetric) -> str:
    """`cpu 92 % of requests, target 80 %`."""
    return f"{metric.name} {_amount(metric, metric.current)}, target {_amount(metric, metric.target)}"


def _amount(metric: HpaMetric, value: float | None) -> str:
    if value is None:
        return "unreadable"
    if metric.target_kind == "Utilization":
        return f"{value:.0%} of requests"
    if metric.kind in {"Resource", "ContainerResource"}:
        return mib(value) if metric.name == "memory" else millicores(value)
    return f"{value:g}"


def condition(conditions: Sequence[Condition], name: str) -> Condition | None:
    return next((one for one in conditions if one.type == name), None)


def reversals(rescales: Sequence[Rescale]) -> int:
    """How often scaling turned round: up after down, or down after up."""
    steps = []
    before: int | None = None
    for one in sorted(rescales, key=lambda rescale: rescale.at_s):
        start = one.replicas_from if one.replicas_from is not None else before
        if start is not None and start != one.replicas_to:
            steps.append(one.replicas_to > start)
        before = one.replicas_to
    return sum(first != second for first, second in pairwise(steps))


def cpu_of_request(pods: Sequence[Pod]) -> float | None:
    """Mean use over request of the application containers, as an autoscaler sees it; None when either is missing."""
    containers = [one for pod in pods for one in pod.application]
    used = [one.usage.cores for one in containers if one.usage and one.usage.cores is not None]
    asked = [one.cpu_request_cores for one in containers]
    if not used or len(used) < len(containers) or not all(asked):
        return None
    return sum(used) / sum(value or 0.0 for value in asked)
