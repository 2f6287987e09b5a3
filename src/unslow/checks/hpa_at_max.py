"""The autoscaler wants more pods than it is allowed to have.

Signature   replicas at the maximum, and a metric above its target (or ScalingLimited: TooManyReplicas)
Look-alike  at the maximum and within its target: enough; pods_pending: allowed, but no room; quota_blocks_scaling
Blind to    what it would want: the wish is cut off at the maximum
Reference   HorizontalPodAutoscaler status: currentReplicas, desiredReplicas, conditions
"""

from __future__ import annotations

from math import ceil

from unslow.evidence.cluster import Autoscalers, Hpa
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.cluster_claims import WAITING, behind, bound_elsewhere
from unslow.measure.cluster_scaling import above_target, condition, reading, wants_more

LARGEST = 100.0
"""Beyond it a metric or its target is wrong, and its ratio no advice."""


def check(autoscalers: Autoscalers, account: Account | None = None) -> Finding | Clear:
    if not autoscalers.hpas:
        return Clear("no autoscaler")
    stuck = [hpa for hpa in autoscalers.hpas if _is_stuck(hpa)]
    if not stuck:
        return Clear(
            "; ".join(f"{hpa.name} has {hpa.replicas_now} of {hpa.replicas_max} pods" for hpa in autoscalers.hpas)
        )
    hpa = stuck[0]
    waiting = behind(account, *WAITING)
    measured = f"{hpa.name} is at its maximum of {hpa.replicas_max} pods: {'; '.join(map(reading, hpa.metrics))}"
    if elsewhere := bound_elsewhere(account):
        return Clear(f"{measured}; {elsewhere}")
    return Finding(
        title="the autoscaler is at its maximum",
        because=f"{measured}; {waiting.words}",
        place=f"HPA {hpa.name}",
        claims=waiting.claims,
        confidence=waiting.surer(0.8, 0.6),
        next_steps=(
            f"raise maxReplicas of {hpa.name} to at least {_needed(hpa)}, after the nodes, the quota and the database's connections",
        ),
        fixes=("raise_hpa_max",),
        evidence=("autoscalers",),
    )


def _is_stuck(hpa: Hpa) -> bool:
    if hpa.replicas_now < hpa.replicas_max or hpa.replicas_max == hpa.replicas_min == 0:
        return False
    limited = condition(hpa.conditions, "ScalingLimited")
    too_many = limited is not None and limited.status == "True" and limited.reason == "TooManyReplicas"
    return wants_more(hpa) or (too_many and not any(above_target(metric) is not None for metric in hpa.metrics))


def _needed(hpa: Hpa) -> int:
    """The autoscaler's own formula, without its maximum."""
    ratio = max((above_target(metric) or 0.0 for metric in hpa.metrics), default=0.0)
    return max(hpa.replicas_max + 1, ceil(hpa.replicas_now * min(ratio, LARGEST)))
