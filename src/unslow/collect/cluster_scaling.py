"""What adds and removes pods and nodes: HPA, VPA, Karpenter -> evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from unslow.collect.cluster_nodes import condition
from unslow.collect.cluster_pods import seconds_of
from unslow.evidence.cluster import (
    Autoscalers,
    Hpa,
    HpaMetric,
    NodeClaim,
    NodePool,
    Provisioning,
    Recommendation,
    Rescale,
    Vpa,
)
from unslow.kube import custom
from unslow.kube import workloads as api
from unslow.kube.events import Event
from unslow.kube.quantity import quantity, whole

_NEW_SIZE = re.compile(r"New size: (\d+)")
_KEPT_S = 3600.0
"""The API server forgets events after an hour, unless it was told otherwise."""
_POOL_LABEL = "karpenter.sh/nodepool"


def autoscalers(
    kind: str,
    name: str,
    hpas: Iterable[api.Hpa],
    vpas: Iterable[custom.Vpa] | None,
    events: Sequence[Event],
    *,
    metrics_api: bool | None,
) -> Autoscalers:
    """Those that point to the workload; `vpas` is None where the cluster does not know them."""
    return Autoscalers(
        hpas=tuple(_hpa(one, events) for one in hpas if _points_to(one.spec.scale_target_ref, kind, name)),
        vpas=tuple(_vpa(one) for one in vpas or () if _points_to(one.spec.target_ref, kind, name)),
        vpa_installed=vpas is not None,
        metrics_api=metrics_api,
    )


def _points_to(reference: api.Reference, kind: str, name: str) -> bool:
    return reference.kind == kind and reference.name == name


def _hpa(hpa: api.Hpa, events: Sequence[Event]) -> Hpa:
    spec, status = hpa.spec, hpa.status
    down = spec.behavior.scale_down if spec.behavior else None
    return Hpa(
        name=hpa.metadata.name,
        target=f"{spec.scale_target_ref.kind}/{spec.scale_target_ref.name}",
        replicas_min=1 if spec.min_replicas is None else spec.min_replicas,
        replicas_max=spec.max_replicas,
        replicas_now=status.current_replicas,
        replicas_desired=status.desired_replicas,
        metrics=tuple(_metric(metric, status.current_metrics or ()) for metric in spec.metrics or ()),
        conditions=tuple(condition(one) for one in status.conditions or ()),
        rescales=_rescales([event for event in events if event.involved_object.uid == hpa.metadata.uid]),
        rescales_s=_KEPT_S,
        stabilization_down_s=down.stabilization_window_seconds if down else None,
    )


def _metric(metric: api.Metric, current: Iterable[api.Metric]) -> HpaMetric:
    wanted = metric.part.target
    name = metric.part.name or metric.part.metric.name
    now = next((one.part.current for one in current if _same(one, metric)), None)
    if wanted.average_utilization is not None:
        ratio = None if now is None or now.average_utilization is None else now.average_utilization / 100.0
        return HpaMetric(
            kind=metric.type,  # type: ignore[arg-type]
            name=name,
            target=wanted.average_utilization / 100.0,
            target_kind="Utilization",
            current=ratio,
        )
    average = wanted.average_value is not None
    value = None if now is None else (now.average_value if average else now.value)
    return HpaMetric(
        kind=metric.type,  # type: ignore[arg-type]
        name=name,
        target=quantity(wanted.average_value if average else wanted.value) or 0.0,
        target_kind="AverageValue" if average else "Value",
        current=quantity(value),
    )


def _same(one: api.Metric, other: api.Metric) -> bool:
    mine, theirs = one.part, other.part
    return (one.type, mine.name, mine.container, mine.metric.name) == (
        other.type,
        theirs.name,
        theirs.container,
        theirs.metric.name,
    )


def _rescales(events: Iterable[Event]) -> tuple[Rescale, ...]:
    """One event may stand for several equal rescales: its first and its last time are told."""
    moments: list[tuple[float, int]] = []
    for event in events:
        match = _NEW_SIZE.search(event.message or "") if event.reason == "SuccessfulRescale" else None
        if match:
            times = {event.first_s, event.last_s} if event.times > 1 else {event.last_s}
            moments += [(moment, int(match[1])) for moment in times]
    made: list[Rescale] = []
    for at_s, replicas in sorted(moments):
        made.append(Rescale(at_s=at_s, replicas_from=made[-1].replicas_to if made else None, replicas_to=replicas))
    return tuple(made)


def _vpa(vpa: custom.Vpa) -> Vpa:
    found = vpa.status.recommendation
    policy = vpa.spec.update_policy
    return Vpa(
        name=vpa.metadata.name,
        update_mode=policy.update_mode if policy else "Auto",  # type: ignore[arg-type]
        recommendations=tuple(_recommendation(one) for one in (found and found.container_recommendations) or ()),
    )


def _recommendation(one: custom.Recommended) -> Recommendation:
    target, lower, upper = one.target or {}, one.lower_bound or {}, one.upper_bound or {}
    return Recommendation(
        container=one.container_name,
        cpu_target_cores=quantity(target.get("cpu")),
        cpu_lower_cores=quantity(lower.get("cpu")),
        cpu_upper_cores=quantity(upper.get("cpu")),
        memory_target_bytes=whole(target.get("memory")),
        memory_lower_bytes=whole(lower.get("memory")),
        memory_upper_bytes=whole(upper.get("memory")),
    )


def karpenter(
    pools: Iterable[custom.NodePool], claims: Iterable[custom.NodeClaim], events: Sequence[Event]
) -> Provisioning:
    """Its NodePools and NodeClaims; removed nodes are counted from events."""
    known = list(claims)
    return Provisioning(
        kind="karpenter",
        pools=tuple(_pool(pool, known, events) for pool in pools),
        claims=tuple(_claim(claim) for claim in known),
    )


def _pool(pool: custom.NodePool, claims: Sequence[custom.NodeClaim], events: Sequence[Event]) -> NodePool:
    limits, used = pool.spec.limits or {}, pool.status.resources or {}
    own = {claim.metadata.name for claim in claims if _pool_of(claim) == pool.metadata.name}
    after = pool.spec.disruption.consolidate_after
    return NodePool(
        name=pool.metadata.name,
        conditions=tuple(condition(one) for one in pool.status.conditions or ()),
        limit_cores=quantity(limits.get("cpu")),
        used_cores=quantity(used.get("cpu")),
        limit_bytes=whole(limits.get("memory")),
        used_bytes=whole(used.get("memory")),
        consolidation=pool.spec.disruption.consolidation_policy,
        consolidate_after_s=seconds_of(after) if after and after != "Never" else None,
        disruptions_per_h=_disruptions(events, own, pool.metadata.name),
    )


def _disruptions(events: Sequence[Event], claims: set[str], pool: str) -> float | None:
    """A claim that is gone has only its name, which begins with its pool's."""
    removed = {
        event.involved_object.name
        for event in events
        if event.involved_object.kind == "NodeClaim"
        and (event.reason or "").startswith("Disrupt")
        and (event.involved_object.name in claims or event.involved_object.name.startswith(f"{pool}-"))
    }
    return len(removed) / (_KEPT_S / 3600.0)


def _claim(claim: custom.NodeClaim) -> NodeClaim:
    labels = claim.metadata.labels or {}
    return NodeClaim(
        name=claim.metadata.name,
        pool=_pool_of(claim),
        created_s=claim.metadata.created_s or 0.0,
        instance_type=labels.get("node.kubernetes.io/instance-type", ""),
        conditions=tuple(condition(one) for one in claim.status.conditions or ()),
    )


def _pool_of(claim: custom.NodeClaim) -> str:
    return (claim.metadata.labels or {}).get(_POOL_LABEL, "")
