"""Percentiles by nearest rank, and intervals that know when answers were slow together."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unslow.verify.histogram import Histogram


def filled(values: list[float], blocks: int = 1) -> Histogram:
    histogram = Histogram(blocks)
    for number, value in enumerate(values):
        histogram.add(value, number * blocks // len(values))
    return histogram


@given(st.lists(st.floats(1e-5, 100.0), min_size=1, max_size=50), st.sampled_from([0.5, 0.9, 0.99, 0.999]))
def test_nearest_rank_within_a_bucket(few: list[float], ratio: float) -> None:
    values = few * 1000
    exact = sorted(values)[math.ceil(ratio * len(values) - 1e-9) - 1]
    found = filled(values, 7).quantile(ratio)
    assert found is not None
    assert found.value_s == pytest.approx(exact, rel=6e-4)
    assert found.low_s <= found.value_s <= found.high_s <= max(values)


def test_no_percentile_without_a_value_beyond_it() -> None:
    assert filled([0.1] * 999).quantile(0.999) is None
    assert filled([0.1] * 1000).quantile(0.999) is not None
    assert Histogram().quantile(0.5) is None


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    chance, covered, truth = random.Random(3), 0, -math.log(0.1)
    for _ in range(200):
        found = filled([chance.expovariate(1.0) for _ in range(600)], 20).quantile(0.9)
        assert found is not None
        covered += found.low_s <= truth <= found.high_s
    assert 0.90 * 200 <= covered <= 0.99 * 200


def test_interval_is_wider_when_slow_answers_come_together() -> None:
    spread = [1.0 if number % 20 == 0 else 0.01 + number * 1e-6 for number in range(1000)]
    together = sorted(spread)
    scattered, clustered = (filled(values, 20).quantile(0.95) for values in (spread, together))
    assert scattered is not None
    assert clustered is not None
    assert clustered.high_s - clustered.low_s > scattered.high_s - scattered.low_s


def test_blocks_keep_their_own_percentiles() -> None:
    histogram = Histogram(3)
    histogram.add(0.5, 0)
    histogram.add(2.0, 9)  # beyond the last block
    assert histogram.block_quantile_s(0, 0.5) == pytest.approx(0.5, rel=1e-3)
    assert histogram.block_quantile_s(1, 0.5) is None
    assert histogram.block_quantile_s(2, 0.99) == pytest.approx(2.0, rel=1e-3)
    assert (histogram.n, histogram.max_s, histogram.mean_s) == (2, 2.0, 1.25)
