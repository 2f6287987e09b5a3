from __future__ import annotations

from tests.checks.cluster import pod, pods, workload
from tests.checks.verbs import account, finds, is_clear, line
from unslow.evidence.cluster import Condition, Event, Events, Quota, QuotaItem, Quotas

QUEUE = account(line("queue", "waiting for a free worker", 60.0))
FULL = Quotas(quotas=(Quota(name="team", items=(QuotaItem(resource="requests.cpu", hard=2.0, used=2.0),)),))
REFUSED = 'pods "shop-x" is forbidden: exceeded quota: team, requested: requests.cpu=1'
SHORT = workload(replicas_wanted=5, replicas_ready=3)
EVENTS = Events(
    events=(
        Event(
            first_s=1.0,
            last_s=2.0,
            kind="ReplicaSet",
            name="shop",
            type="Warning",
            reason="FailedCreate",
            message=REFUSED,
        ),
    )
)


def test_an_event_says_that_the_quota_refused() -> None:
    found = finds("quota_blocks_scaling", 60.0, quotas=FULL, workload=SHORT, events=EVENTS, account=QUEUE)
    assert "2 of 5 pods are missing" in found.because
    assert "team: requests.cpu 2 of 2" in found.because


def test_the_condition_says_it_when_the_events_are_gone() -> None:
    failure = Condition(type="ReplicaFailure", reason="FailedCreate", message=REFUSED)
    short = workload(replicas_wanted=5, replicas_ready=3, conditions=(failure,))
    finds("quota_blocks_scaling", 60.0, quotas=FULL, workload=short, account=QUEUE)


def test_a_full_quota_that_refused_nothing() -> None:
    is_clear("quota_blocks_scaling", quotas=FULL, workload=workload(), account=QUEUE)


def test_pods_missing_for_another_reason() -> None:
    is_clear("quota_blocks_scaling", quotas=FULL, workload=SHORT, events=Events(events=()), account=QUEUE)


def test_pods_that_exist_and_are_not_ready_were_not_refused() -> None:
    there = pods(*[pod(name, ready=name == "a") for name in ("a", "b", "c", "d", "e")])
    is_clear("quota_blocks_scaling", quotas=FULL, workload=SHORT, pods=there, events=EVENTS, account=QUEUE)


def test_a_refusal_that_was_overcome() -> None:
    is_clear("quota_blocks_scaling", quotas=FULL, workload=workload(), events=EVENTS, account=QUEUE)
