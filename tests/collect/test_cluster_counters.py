from __future__ import annotations

import pytest

from unslow.collect.cluster_counters import Counters, between, counters, over
from unslow.evidence.cluster import Usage

VERSION_2 = """usage_usec 2500000
user_usec 2000000
system_usec 500000
nr_periods 70
nr_throttled 35
throttled_usec 1500000
low 0
high 0
max 9
oom 2
oom_kill 2
"""
VERSION_1 = """nr_periods 70
nr_throttled 35
throttled_time 1500000000
oom_kill_disable 0
under_oom 0
oom_kill 2
2500000000
"""


@pytest.mark.parametrize("text", [VERSION_1, VERSION_2])
def test_both_versions_tell_the_same(text: str) -> None:
    assert counters(text, 5.0) == Counters(5.0, 70, 35, 1.5, 2.5, 2)


def test_without_a_quota_no_period_is_counted() -> None:
    found = counters("usage_usec 2500000\nuser_usec 1\n", 5.0)
    assert found is not None
    assert (found.periods, found.oom_kills) == (0, None)
    assert counters("", 5.0) is None


def test_the_window_is_what_grew_and_kills_are_since_the_start() -> None:
    used = between(Counters(10.0, 70, 35, 1.5, 2.5, 1), Counters(20.0, 170, 85, 5.5, 4.5, 3))
    assert (used.cores, used.cfs_periods, used.cfs_throttled_periods, used.cfs_throttled_s) == (0.2, 100, 50, 4.0)
    assert used.oom_kills == 3


def test_a_container_that_began_anew_counts_from_there() -> None:
    used = between(Counters(10.0, 70, 35, 1.5, 2.5, 1), Counters(20.0, 7, 3, 0.5, 0.5, 0))
    assert (used.cores, used.cfs_periods, used.cfs_throttled_periods, used.oom_kills) == (None, 7, 3, 0)


def test_own_counters_replace_the_kubelets_and_nothing_else() -> None:
    known = Usage(cores=0.5, memory_bytes=7, cfs_periods=3)
    found = over(known, Usage(cores=None, cfs_periods=100, cfs_throttled_periods=50, cfs_throttled_s=4.0, oom_kills=1))
    assert (found.cores, found.memory_bytes, found.cfs_periods, found.throttled_ratio) == (0.5, 7, 100, 0.5)
    assert found.oom_kills == 1
