from __future__ import annotations

from tests.checks.cluster import autoscalers, container, cpu_metric, hpa, pod, pods
from tests.checks.verbs import account, finds, is_clear, line
from unslow.evidence.cluster import Condition

QUEUE = account(line("queue", "waiting for a free worker", 60.0))


def inactive(reason: str) -> Condition:
    return Condition(type="ScalingActive", status="False", reason=reason, message="no metrics returned")


def test_the_metric_cannot_be_read() -> None:
    blind = autoscalers(hpa(cpu_metric(None), conditions=(inactive("FailedGetResourceMetric"),)))
    found = finds("hpa_blind", 60.0, autoscalers=blind, account=QUEUE)
    assert "FailedGetResourceMetric: no metrics returned" in found.because


def test_a_container_without_a_cpu_request() -> None:
    lacking = pods(pod("a", container(), container(name="proxy", cpu_request_cores=None)))
    memory = cpu_metric(0.5)
    blind = autoscalers(hpa(cpu_metric(None), memory))
    assert "proxy" in finds("hpa_blind", autoscalers=blind, pods=lacking).because


def test_requests_queue_while_the_metric_is_low() -> None:
    assert (
        "wrong metric" in finds("hpa_blind", 60.0, autoscalers=autoscalers(hpa(cpu_metric(0.2))), account=QUEUE).title
    )


def test_a_metric_above_its_target_is_seen() -> None:
    is_clear("hpa_blind", autoscalers=autoscalers(hpa(cpu_metric(0.9))), account=QUEUE)


def test_a_low_metric_and_no_queue() -> None:
    is_clear("hpa_blind", autoscalers=autoscalers(hpa(cpu_metric(0.2))), account=account(line("cpu code", "f", 60.0)))


def test_scaling_that_was_switched_off() -> None:
    off = autoscalers(hpa(cpu_metric(0.5), replicas_now=0, conditions=(inactive("ScalingDisabled"),)))
    is_clear("hpa_blind", autoscalers=off, account=account())
