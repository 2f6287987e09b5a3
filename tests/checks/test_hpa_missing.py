from __future__ import annotations

from tests.checks.cluster import autoscalers, container, hpa, pod, pods, usage, workload
from tests.checks.verbs import account, finds, is_clear, line

QUEUE = account(line("queue", "waiting for a free worker", 60.0))


def test_requests_queue_and_nothing_adds_pods() -> None:
    found = finds("hpa_missing", 60.0, autoscalers=autoscalers(), workload=workload(), account=QUEUE)
    assert "kubectl autoscale deployment shop --min=3 --max=9" in found.next_steps[0]


def test_busy_pods_are_a_lead_without_milliseconds() -> None:
    busy = pods(pod("a", container(usage=usage(cores=0.24))))
    found = finds("hpa_missing", 0.0, autoscalers=autoscalers(), workload=workload(), pods=busy, account=account())
    assert "96% of requests" in found.because


def test_busy_pods_in_which_nobody_waits() -> None:
    busy = pods(pod("a", container(usage=usage(cores=0.24))))
    told = account(line("queue", "waiting for a free worker", 1.0), line("cpu code", "f", 90.0))
    is_clear("hpa_missing", autoscalers=autoscalers(), workload=workload(), pods=busy, account=told)


def test_pods_at_three_quarters_of_their_requests() -> None:
    calm = pods(pod("a", container(usage=usage(cores=0.19))))
    is_clear("hpa_missing", autoscalers=autoscalers(), workload=workload(), pods=calm, account=account())


def test_an_autoscaler_is_there() -> None:
    is_clear("hpa_missing", autoscalers=autoscalers(hpa()), workload=workload(), account=QUEUE)


def test_more_pods_would_load_the_database_more() -> None:
    bound = account(line("queue", "w", 30.0), line("db query", "q", 65.0))
    assert "db query" in is_clear("hpa_missing", autoscalers=autoscalers(), workload=workload(), account=bound).because


def test_a_daemonset_is_not_scaled() -> None:
    is_clear("hpa_missing", autoscalers=autoscalers(), workload=workload(kind="DaemonSet"), account=QUEUE)
