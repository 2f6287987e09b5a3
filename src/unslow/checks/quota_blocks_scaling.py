"""A quota of the namespace refuses the pods that the workload wants.

Signature   fewer pods exist than are wanted, and their creation was refused with "exceeded quota"
Look-alike  pods_pending: the pod exists and finds no node; a quota that is nearly full and refused nothing
Blind to    admission webhooks that refuse for reasons of their own
Reference   ResourceQuota used against hard; FailedCreate events, the ReplicaFailure condition
"""

from __future__ import annotations

from unslow.evidence.cluster import Events, Pods, QuotaItem, Quotas, Workload
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.cluster_claims import WAITING, behind
from unslow.measure.cluster_scaling import condition

REFUSED = "exceeded quota"


def check(
    quotas: Quotas,
    workload: Workload,
    pods: Pods | None = None,
    events: Events | None = None,
    account: Account | None = None,
) -> Finding | Clear:
    fullest = max(
        ((quota.name, item) for quota in quotas.quotas for item in quota.items if item.hard > 0),
        key=lambda one: one[1].used / one[1].hard,
        default=None,
    )
    known = f"{fullest[0]}: {_words(fullest[1])}" if fullest else f"{len(quotas.quotas)} quotas"
    refusal = _refusal(workload, events)
    # A pod that exists and is not ready was not refused.
    there = len(pods.live) if pods else workload.replicas_ready
    lacking = workload.replicas_wanted - there
    if not refusal or lacking <= 0:
        return Clear(f"{known}; {there} of {workload.replicas_wanted} pods are there")
    waiting = behind(account, *WAITING)
    return Finding(
        title="a quota refuses the pods that are wanted",
        because=f"{lacking} of {workload.replicas_wanted} pods are missing: {refusal}; {known}; {waiting.words}",
        place=f"quota {fullest[0]}" if fullest else "the namespace's quota",
        claims=waiting.claims,
        confidence=waiting.surer(0.92, 0.75),
        keeps_waiting=True,
        next_steps=("raise the quota, or lower the pods' requests to what they use: kubectl describe resourcequota",),
        fixes=("raise_quota",),
        evidence=("quotas", "events") if events else ("quotas",),
    )


def _refusal(workload: Workload, events: Events | None) -> str:
    failure = condition(workload.conditions, "ReplicaFailure")
    if failure and failure.status == "True" and REFUSED in failure.message:
        return failure.message
    for event in reversed(events.of_reason("FailedCreate")) if events else ():
        if REFUSED in event.message:
            return event.message
    return ""


def _words(item: QuotaItem) -> str:
    return f"{item.resource} {item.used:g} of {item.hard:g}"
