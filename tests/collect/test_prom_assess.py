"""Quantiles of buckets, and what a histogram cannot say."""

from __future__ import annotations

import math

import pytest

from unslow.collect.prom_assess import assess, quantile
from unslow.collect.prometheus_api import Result
from unslow.errors import BadInput, Unavailable

INF = math.inf


class Store:
    name = "http://store"

    def __init__(self, buckets: dict[str, str], total: str = "30", counts: bool = False) -> None:
        self.buckets, self.total, self.counts = buckets, total, counts

    def instant(self, query: str, at_s: float) -> list[Result]:
        if "_bucket" in query:
            return [Result(metric={"le": le, "job": "a"}, value=(0.0, n)) for le, n in self.buckets.items()]
        if "_count" in query and not self.counts:
            return []
        return [Result(metric={"job": "a"}, value=(0.0, self.total))]


def test_interpolation_and_the_top_bucket():
    buckets = [(1.0, 50.0), (2.0, 90.0), (INF, 100.0)]
    assert quantile(0.25, buckets) == 0.5
    assert quantile(0.7, buckets) == 1.5
    assert quantile(0.99, buckets) == 2.0
    assert quantile(0.5, [(1.0, 0.0), (INF, 0.0)]) is None
    assert quantile(0.5, [(INF, 3.0)]) is None


def test_a_capped_quantile_is_marked_and_counts_that_fall_are_repaired():
    (one,) = assess(Store({"+Inf": "10", "1": "9", "0.5": "9.5"}), "x_seconds", "job", 0)
    assert (one.mean, one.per_s, one.capped, one.quantiles[2]) == (3.0, 10.0, True, 1.0)


def test_nothing_completed_no_top_bucket_no_number_no_data():
    (one,) = assess(Store({"+Inf": "0", "1": "0"}, "NaN"), "x_seconds", "job", 0)
    assert (one.mean, one.quantiles, one.capped) == (None, (None, None, None), False)
    (one,) = assess(Store({"1": "4"}), "x_seconds", "job", 0)
    assert one.mean is None
    for buckets in ({}, {"wide": "1"}, {"1": "NaN"}):
        with pytest.raises(Unavailable):
            assess(Store(buckets), "x_seconds", "job", 0)
    with pytest.raises(BadInput):
        assess(Store({}), "x{}", "job", 0)


def test_mean_and_rate_remain_without_buckets():
    (one,) = assess(Store({}, counts=True), "x_seconds", "job", 0)
    assert (one.mean, one.per_s, one.quantiles) == (1.0, 30.0, (None, None, None))
