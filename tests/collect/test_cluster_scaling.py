from __future__ import annotations

import pytest

from tests.collect.kube_objects import at, event, made
from unslow.collect.cluster_scaling import autoscalers, karpenter
from unslow.kube import custom
from unslow.kube import workloads as api


def hpa(current: list[dict[str, object]] | None) -> api.Hpa:
    return made(
        api.Hpa,
        metadata={"name": "web", "uid": "uid-hpa"},
        spec={
            "scaleTargetRef": {"kind": "Deployment", "name": "web"},
            "maxReplicas": 5,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                },
                {
                    "type": "Pods",
                    "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "500m"}},
                },
            ],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
        },
        status={
            "currentReplicas": 5,
            "desiredReplicas": 5,
            "currentMetrics": current,
            "conditions": [
                {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas", "lastTransitionTime": at(3)}
            ],
        },
    )


def test_an_autoscaler_with_a_metric_that_it_cannot_read() -> None:
    current = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 0}}}]
    about = {"kind": "HorizontalPodAutoscaler", "name": "web", "uid": "uid-hpa"}
    told = [
        event("SuccessfulRescale", "New size: 5; reason: cpu resource utilization above target", last=50, **about),
        event("SuccessfulRescale", "New size: 2; reason: All metrics below target", last=20, **about),
    ]
    found = autoscalers("Deployment", "web", [hpa(current)], None, told, metrics_api=True)
    (one,) = found.hpas
    cpu, rps = one.metrics
    assert (cpu.target, cpu.target_kind, cpu.current) == (0.8, "Utilization", 0.0)
    assert (rps.name, rps.target, rps.target_kind, rps.current) == ("rps", 0.5, "AverageValue", None)
    assert [(each.replicas_from, each.replicas_to) for each in one.rescales] == [(None, 2), (2, 5)]
    assert (one.replicas_min, one.stabilization_down_s) == (1, 60)
    assert not found.vpa_installed


def test_autoscalers_of_others_are_left_out() -> None:
    found = autoscalers("Deployment", "api", [hpa(None)], [], [], metrics_api=False)
    assert found.hpas == ()
    assert found.vpa_installed


def test_karpenter() -> None:
    pool = made(
        custom.NodePool,
        metadata={"name": "general"},
        spec={
            "limits": {"cpu": "100", "memory": "1Gi"},
            "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "30s"},
        },
        status={"resources": {"cpu": "99"}, "conditions": [{"type": "Ready", "status": "True"}]},
    )
    claim = made(
        custom.NodeClaim,
        metadata={"name": "general-x1", "creationTimestamp": at(1), "labels": {"karpenter.sh/nodepool": "general"}},
        status={"conditions": [{"type": "Launched", "status": "False", "reason": "InsufficientCapacity"}]},
    )
    gone = event(
        "DisruptionTerminating", "Disrupting NodeClaim: Underutilized", kind="NodeClaim", name="general-x0", uid="z"
    )
    found = karpenter([pool], [claim], [gone])
    assert (found.pools[0].limit_cores, found.pools[0].used_cores, found.pools[0].consolidate_after_s) == (
        100,
        99,
        30.0,
    )
    assert found.pools[0].disruptions_per_h == pytest.approx(1.0)
    assert found.claims[0].conditions[0].reason == "InsufficientCapacity"
