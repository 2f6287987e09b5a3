from __future__ import annotations

from tests.checks.cluster import autoscalers, hpa
from tests.checks.verbs import account, finds, is_clear, line
from unslow.evidence.cluster import Autoscalers, Rescale


def went(*replicas: int) -> Autoscalers:
    steps = tuple(Rescale(at_s=300.0 * i, replicas_to=count) for i, count in enumerate(replicas))
    return autoscalers(hpa(rescales=steps, stabilization_down_s=30.0))


def test_up_and_down_again_and_again() -> None:
    found = finds("hpa_flapping", 0.0, autoscalers=went(2, 6, 2, 6, 2), account=account())
    assert "3 of them turned round" in found.because
    assert "above 30 s" in found.next_steps[0]


def test_cold_starts_are_its_milliseconds() -> None:
    cold = account(line("cold start", "pods that had just started", 40.0))
    finds("hpa_flapping", 40.0, autoscalers=went(2, 6, 2, 6, 2), account=cold)


def test_two_waves() -> None:
    is_clear("hpa_flapping", autoscalers=went(2, 6, 2, 6), account=account())


def test_a_ramp_in_many_steps() -> None:
    is_clear("hpa_flapping", autoscalers=went(2, 3, 4, 5, 6, 7, 8), account=account())


def test_the_same_turns_over_a_day() -> None:
    slow = tuple(Rescale(at_s=7200.0 * i, replicas_to=count) for i, count in enumerate((2, 6, 2, 6, 2)))
    is_clear("hpa_flapping", autoscalers=autoscalers(hpa(rescales=slow, rescales_s=86_400.0)), account=account())
