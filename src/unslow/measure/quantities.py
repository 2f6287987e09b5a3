"""Means, percentiles and their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

import msgspec

Z95 = 1.96
"""Two-sided 95 % of the normal distribution."""


class Estimate(msgspec.Struct, frozen=True):
    """A mean with its standard error, in seconds, and how many observations it rests on."""

    mean_s: float
    se_s: float
    n: int

    def interval_s(self) -> tuple[float, float]:
        return (self.mean_s - Z95 * self.se_s, self.mean_s + Z95 * self.se_s)


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and standard error; one value or none has an unknown error, stated as the value itself."""
    n = len(values)
    if n == 0:
        return Estimate(0.0, 0.0, 0)
    mean = sum(values) / n
    if n == 1:
        return Estimate(mean, mean, 1)
    variance = sum((value - mean) ** 2 for value in values) / (n - 1)
    return Estimate(mean, sqrt(variance / n), n)


def percentile(values: Sequence[float], q: float) -> float:
    """The smallest value that at least the share `q` of all values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, ceil(q * len(ordered)) - 1)]


def bucket_percentile(buckets: Sequence[tuple[float, float]], q: float) -> float:
    """Percentile of a cumulative histogram by linear interpolation, as `histogram_quantile` does.

    `buckets` holds (upper edge in seconds, cumulative count). The top finite edge caps the answer.
    Counts that fall are repaired to the running maximum.
    """
    if not buckets:
        raise ValueError("no buckets")
    total = max(count for _, count in buckets)
    rank = q * total
    lower, below = 0.0, 0.0
    for upper, count in sorted(buckets):
        cumulative = max(count, below)
        if cumulative >= rank and cumulative > below:
            if upper > 1e300:
                return lower
            return lower + (upper - lower) * (rank - below) / (cumulative - below)
        lower, below = (upper if upper < 1e300 else lower), cumulative
    return lower
