from __future__ import annotations

import pytest

from tests.checks.cluster import MIB, container, cpu_metric, hpa, pod, usage
from unslow.evidence.cluster import HpaMetric, Rescale
from unslow.measure.cluster_scaling import cpu_of_request, reading, reversals, wants_more


@pytest.mark.parametrize(("current", "more"), [(0.76, False), (0.78, True), (None, False)])
def test_the_autoscaler_tolerates_a_tenth(current: float | None, more: bool) -> None:
    assert wants_more(hpa(cpu_metric(current))) is more


def test_a_reading_has_its_unit() -> None:
    assert reading(cpu_metric(0.92, 0.8)) == "cpu 92% of requests, target 80% of requests"
    held = HpaMetric(kind="Resource", name="memory", target=512 * MIB, target_kind="AverageValue", current=600 * MIB)
    assert reading(held) == "memory 600 MiB, target 512 MiB"
    queue = HpaMetric(kind="Pods", name="in_flight", target=4.0, target_kind="AverageValue")
    assert reading(queue) == "in_flight unreadable, target 4"


def test_turning_round() -> None:
    def went(*replicas: int) -> int:
        return reversals([Rescale(at_s=float(i), replicas_to=count) for i, count in enumerate(replicas)])

    assert [went(1, 2, 3), went(1, 3, 1), went(1, 3, 3, 1, 4), went()] == [0, 1, 2, 0]


def test_a_known_start_counts_as_a_step() -> None:
    assert reversals([Rescale(at_s=0.0, replicas_from=2, replicas_to=6), Rescale(at_s=1.0, replicas_to=2)]) == 1


def test_use_over_request_of_all_pods_together() -> None:
    busy, idle = pod("a", container(usage=usage(cores=0.4))), pod("b", container(usage=usage(cores=0.1)))
    assert cpu_of_request([busy, idle]) == pytest.approx(1.0)
    assert cpu_of_request([busy, pod("c", container(usage=None))]) is None
    assert cpu_of_request([pod("d", container(cpu_request_cores=None))]) is None
