"""Durations in narrow logarithmic buckets by block of time, and percentiles with intervals from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil, exp, log, sqrt

import msgspec

SMALLEST_S = 1e-6
PER_E_FOLD = 2000
"""Buckets to each factor of e: each is 0.05 % wide, so that a percentile is off by 0.025 % at most."""
CONFIDENCE_Z = 1.96
"""95 % of a normal distribution lies within."""
FEWEST_BLOCKS = 5
"""Fewer blocks say little about how much they differ."""


class Quantile(msgspec.Struct, frozen=True, kw_only=True):
    """A percentile and its 95 % interval."""

    ratio: float
    """0.99 for the 99th percentile."""
    value_s: float
    low_s: float
    high_s: float


class Histogram:
    """Durations by block; blocks are stretches of time, so that slow moments stay together."""

    def __init__(self, blocks: int = 1) -> None:
        self._blocks: list[dict[int, int]] = [{} for _ in range(max(1, blocks))]
        self.n = 0
        self.sum_s = 0.0
        self.max_s = 0.0

    def add(self, seconds: float, block: int = 0) -> None:
        """Count one duration in the given block; a block beyond the last is the last."""
        counts = self._blocks[block] if block < len(self._blocks) else self._blocks[-1]
        bucket = int(log(seconds / SMALLEST_S) * PER_E_FOLD) if seconds > SMALLEST_S else 0
        counts[bucket] = counts.get(bucket, 0) + 1
        self.n += 1
        self.sum_s += seconds
        if seconds > self.max_s:
            self.max_s = seconds

    @property
    def mean_s(self) -> float:
        return self.sum_s / self.n if self.n else 0.0

    def quantile(self, ratio: float) -> Quantile | None:
        """The nearest-rank percentile; None when fewer than one value is expected beyond it.

        The interval counts how much the share of values beyond the percentile differs between blocks:
        answers behind the same stall are slow together and are no independent measurements.
        """
        if self.n * (1.0 - ratio) < 1.0 - 1e-9:
            return None
        total = self._total()
        bucket = _bucket_at(total, ratio, self.n)
        error = self._error(bucket, ratio)
        value_s = min(_middle(bucket), self.max_s)
        low, high = ratio - CONFIDENCE_Z * error, ratio + CONFIDENCE_Z * error
        return Quantile(
            ratio=ratio,
            value_s=value_s,
            low_s=min(value_s, _middle(_bucket_at(total, max(low, 0.0), self.n))),
            high_s=self.max_s if high >= 1.0 else min(self.max_s, _middle(_bucket_at(total, high, self.n))),
        )

    @property
    def blocks(self) -> int:
        return len(self._blocks)

    def block_quantile_s(self, number: int, ratio: float) -> float | None:
        """The nearest-rank percentile of one block; None when nothing is in it."""
        block = self._blocks[min(number, self.blocks - 1)]
        return min(_middle(_bucket_at(block, ratio, sum(block.values()))), self.max_s) if block else None

    def _total(self) -> dict[int, int]:
        total: Counter[int] = Counter()
        for block in self._blocks:
            total.update(block)
        return total

    def _error(self, bucket: int, ratio: float) -> float:
        """Standard error of the share of values at or below the bucket."""
        independent = sqrt(ratio * (1.0 - ratio) / self.n)
        blocks = [block for block in self._blocks if block]
        if len(blocks) < FEWEST_BLOCKS:
            return independent
        sizes = [sum(block.values()) for block in blocks]
        below = [sum(count for at, count in block.items() if at <= bucket) for block in blocks]
        share = sum(below) / self.n
        return max(independent, _ratio_error(below, sizes, share))


def _ratio_error(parts: Sequence[int], sizes: Sequence[int], share: float) -> float:
    blocks = len(parts)
    spread = sum((part - share * size) ** 2 for part, size in zip(parts, sizes, strict=True))
    return sqrt(spread * blocks / (blocks - 1)) / sum(sizes)


def _bucket_at(counts: Mapping[int, int], ratio: float, n: int) -> int:
    rank = max(1, ceil(ratio * n - 1e-9))
    passed = 0
    for bucket in sorted(counts):
        passed += counts[bucket]
        if passed >= rank:
            return bucket
    return max(counts, default=0)


def _middle(bucket: int) -> float:
    return SMALLEST_S * exp((bucket + 0.5) / PER_E_FOLD)
