from __future__ import annotations

from tests.checks.cluster import autoscalers, cpu_metric, hpa
from tests.checks.verbs import account, finds, is_clear, line
from unslow.evidence.cluster import Condition

QUEUE = account(line("queue", "waiting for a free worker", 60.0))


def test_at_the_maximum_and_above_the_target() -> None:
    full = autoscalers(hpa(cpu_metric(1.4), replicas_now=5, replicas_desired=5))
    found = finds("hpa_at_max", 60.0, autoscalers=full, account=QUEUE)
    assert "cpu 140% of requests, target 70% of requests" in found.because
    assert "at least 10" in found.next_steps[0]


def test_without_milliseconds_it_is_less_sure() -> None:
    full = autoscalers(hpa(cpu_metric(1.4), replicas_now=5))
    assert finds("hpa_at_max", 0.0, autoscalers=full, account=account()).confidence < 0.7


def test_within_the_tolerance_of_the_autoscaler() -> None:
    is_clear("hpa_at_max", autoscalers=autoscalers(hpa(cpu_metric(0.76), replicas_now=5)), account=QUEUE)


def test_above_the_target_with_room_to_grow() -> None:
    is_clear("hpa_at_max", autoscalers=autoscalers(hpa(cpu_metric(1.4), replicas_now=4)), account=QUEUE)


def test_limited_at_the_maximum_but_satisfied() -> None:
    limited = Condition(type="ScalingLimited", reason="TooManyReplicas")
    calm = autoscalers(hpa(cpu_metric(0.5), replicas_now=5, conditions=(limited,)))
    is_clear("hpa_at_max", autoscalers=calm, account=QUEUE)


def test_more_pods_would_load_the_database_more() -> None:
    full = autoscalers(hpa(cpu_metric(1.4), replicas_now=5))
    is_clear("hpa_at_max", autoscalers=full, account=account(line("queue", "w", 20.0), line("db lock wait", "q", 70.0)))


def test_no_autoscaler() -> None:
    is_clear("hpa_at_max", autoscalers=autoscalers(), account=QUEUE)
