from __future__ import annotations

import pytest

from unslow.collect.cluster_counters import Counters, between, counters, over
from unslow.errors import Unavailable
from unslow.evidence.cluster import Usage

VERSION_2 = """usage_usec 2500000
user_usec 2000000
system_usec 500000
nr_periods 70
nr_throttled 35
throttled_usec 1500000
"""
VERSION_1 = """nr_periods 70
nr_throttled 35
throttled_time 1500000000
2500000000
"""


@pytest.mark.parametrize("text", [VERSION_1, VERSION_2])
def test_both_versions_tell_the_same(text: str) -> None:
    assert counters(text, 5.0) == Counters(5.0, 70, 35, 1.5, 2.5)


def test_without_a_quota_nothing_is_counted() -> None:
    assert counters("usage_usec 2500000\nuser_usec 1\n", 5.0) is None
    assert counters("", 5.0) is None


def test_the_window_is_what_grew() -> None:
    used = between(Counters(10.0, 70, 35, 1.5, 2.5), Counters(20.0, 170, 85, 5.5, 4.5))
    assert (used.cores, used.cfs_periods, used.cfs_throttled_periods, used.cfs_throttled_s) == (0.2, 100, 50, 4.0)


def test_a_container_that_began_anew_has_no_difference() -> None:
    with pytest.raises(Unavailable, match="one run"):
        between(Counters(10.0, 70, 35, 1.5, 2.5), Counters(20.0, 7, 3, 0.5, 0.5))


def test_own_counters_replace_the_kubelets_and_nothing_else() -> None:
    known = Usage(cores=0.5, memory_bytes=7, cfs_periods=3)
    found = over(known, Usage(cores=None, cfs_periods=100, cfs_throttled_periods=50, cfs_throttled_s=4.0))
    assert (found.cores, found.memory_bytes, found.cfs_periods, found.throttled_ratio) == (0.5, 7, 100, 0.5)
