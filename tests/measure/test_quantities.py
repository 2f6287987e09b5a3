from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unslow.measure.quantities import bucket_percentile, estimate, percentile

BUCKETS = ((0.1, 50.0), (0.5, 90.0), (1e308, 100.0))


def test_mean_and_standard_error() -> None:
    result = estimate([1.0, 2.0, 3.0])
    assert result.mean_s == 2.0
    assert result.se_s == pytest.approx((1 / 3) ** 0.5)
    low, high = result.interval_s()
    assert low < 2.0 < high


def test_one_value_is_as_uncertain_as_it_is_large() -> None:
    assert estimate([2.0]).se_s == 2.0
    assert estimate([]).n == 0


def test_percentiles_are_values_that_occurred() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.0
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.99) == 4.0


def test_a_histogram_is_interpolated_and_capped_at_its_top_edge() -> None:
    assert bucket_percentile(BUCKETS, 0.25) == pytest.approx(0.05)
    assert bucket_percentile(BUCKETS, 0.7) == pytest.approx(0.3)
    assert bucket_percentile(BUCKETS, 0.99) == 0.5


def test_counts_that_fall_are_repaired() -> None:
    assert bucket_percentile(((0.1, 50.0), (0.2, 40.0), (1e308, 100.0)), 0.5) == pytest.approx(0.1)


def test_no_buckets_no_percentile() -> None:
    with pytest.raises(ValueError, match="no buckets"):
        bucket_percentile((), 0.5)


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1), st.floats(min_value=0, max_value=1))
def test_a_percentile_is_one_of_the_values(values: list[float], q: float) -> None:
    assert percentile(values, q) in values
