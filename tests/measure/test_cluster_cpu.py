from __future__ import annotations

import pytest

from tests.checks.cluster import container, pod, usage
from unslow.evidence.cluster import Pod
from unslow.measure.cluster_cpu import stopped_ratio, throttling, waiting_ratio


def stopped(periods: int, throttled: int, seconds: float, **changes: float) -> Pod:
    counted = usage(cfs_periods=periods, cfs_throttled_periods=throttled, cfs_throttled_s=seconds, **changes)
    return pod("a", container(usage=counted))


def test_the_share_of_the_window_in_which_it_stood_still() -> None:
    assert stopped_ratio(stopped(100, 80, 6.0)) == pytest.approx(0.6)


def test_time_without_work_does_not_count() -> None:
    assert stopped_ratio(stopped(50, 45, 3.0)) == pytest.approx(0.6)


def test_a_handful_of_periods() -> None:
    assert stopped_ratio(stopped(10, 10, 1.0)) == 0.0


def test_stops_of_several_cores_are_cut_to_the_share_of_periods() -> None:
    assert stopped_ratio(stopped(100, 50, 30.0)) == pytest.approx(0.5)


def test_pressure_counts_the_quota_too_and_cannot_tell_them_apart() -> None:
    assert waiting_ratio(stopped(100, 80, 6.0, cpu_pressure_ratio=0.9)) == 0.0
    assert waiting_ratio(stopped(100, 1, 0.1, cpu_pressure_ratio=0.7)) == pytest.approx(0.7)


def test_nothing_read() -> None:
    assert stopped_ratio(pod("a", container(usage=None))) == waiting_ratio(pod("a")) == 0.0


def test_the_most_throttled_first_and_too_few_periods_not_at_all() -> None:
    found = throttling([stopped(100, 10, 1.0), stopped(100, 60, 1.0), stopped(10, 10, 1.0)])
    assert [one.ratio for one in found] == [0.6, 0.1]
