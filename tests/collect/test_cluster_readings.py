from __future__ import annotations

import pytest

from tests.collect.kube_objects import made
from unslow.collect.cluster_readings import Differences, KubeletPage, usage, used_by_pods
from unslow.kube import custom

NAMES = 'namespace="shop",pod="web-1"'


def page(seconds: float, cpu: float, periods: int, throttled: int, at_ms: int) -> KubeletPage:
    made_page = KubeletPage()
    made_page.add(
        f'container_cpu_usage_seconds_total{{container="",cpu="total",{NAMES}}} {cpu * 3} {at_ms}\n'
        f'container_cpu_usage_seconds_total{{container="web",cpu="total",{NAMES}}} {cpu} {at_ms}\n'
        f'container_cpu_cfs_periods_total{{container="web",{NAMES}}} {periods} {at_ms}\n'
        f'container_cpu_cfs_throttled_periods_total{{container="web",{NAMES}}} {throttled} {at_ms}\n'
        f'container_cpu_cfs_throttled_seconds_total{{container="web",{NAMES}}} {seconds} {at_ms}\n'
        f'container_memory_working_set_bytes{{container="web",{NAMES}}} 1.048576e+06 {at_ms}\n'
        f'container_memory_failures_total{{container="web",failure_type="pgmajfault",scope="container",{NAMES}}} {periods} {at_ms}\n'
        f'container_memory_failures_total{{container="web",failure_type="pgmajfault",scope="hierarchy",{NAMES}}} 9e9 {at_ms}\n'
        "container_cpu_usage_seconds_total{container=damaged\n"
    )
    return made_page


def test_rates_are_over_the_samples_own_times_and_the_pods_own_line_is_not_counted() -> None:
    found = Differences(page(1.0, 10.0, 100, 10, 1000), page(3.0, 15.0, 200, 60, 11_000))
    of_web = usage("shop", [], found)["web-1", "web"]
    assert of_web.cores == pytest.approx(0.5)
    assert (of_web.cfs_periods, of_web.cfs_throttled_periods, of_web.cfs_throttled_s) == (100, 50, 2.0)
    assert of_web.throttled_ratio == 0.5
    assert of_web.memory_bytes == 1048576
    assert of_web.major_faults_per_s == pytest.approx(10.0)
    assert used_by_pods([], found)["shop", "web-1"].cores == pytest.approx(0.5)


def test_a_page_that_was_not_read_anew_tells_no_rate_and_the_metrics_api_steps_in() -> None:
    same = page(1.0, 10.0, 100, 10, 1000)
    metrics = made(
        custom.PodMetrics,
        metadata={"name": "web-1", "namespace": "shop"},
        containers=[{"name": "web", "usage": {"cpu": "250m", "memory": "2Ki"}}],
    )
    of_web = usage("shop", [metrics], Differences(same, same))["web-1", "web"]
    assert of_web.cores == 0.25
    assert of_web.cfs_periods is None
    assert usage("shop", [metrics], None)["web-1", "web"].memory_bytes == 2048


def test_a_counter_that_fell_tells_nothing() -> None:
    found = Differences(page(1.0, 10.0, 100, 10, 1000), page(0.0, 1.0, 5, 0, 11_000))
    assert usage("shop", [], found)["web-1", "web"].cores is None


def test_other_namespaces_are_left_out() -> None:
    found = Differences(page(1.0, 10.0, 100, 10, 1000), page(3.0, 15.0, 200, 60, 11_000))
    assert usage("other", [], found) == {}
