"""Mean, percentiles and rate of every group in two queries: the buckets are read once, whatever is asked of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from unslow.collect import promql
from unslow.collect.prometheus_api import Api, number
from unslow.errors import BadInput, Unavailable

QUANTILES = (0.5, 0.95, 0.99)


class Assessed(msgspec.Struct, frozen=True, kw_only=True):
    """One group; times in the metric's own unit. None: nothing completed, or the histogram cannot say."""

    group: str
    mean: float | None
    quantiles: tuple[float | None, ...]
    """In the order of `QUANTILES`."""
    per_s: float
    capped: bool = False
    """The highest quantile lies above the last finite edge: the truth may be any time longer."""


def assess(
    api: Api, metric: str, label: str, at_s: float, *, over_s: float = 300.0, equal: Mapping[str, str] | None = None
) -> tuple[Assessed, ...]:
    """The classic histogram `metric` (without suffix) by `label` at one instant, slowest mean first.

    Unavailable when the server gives no answer, or has no bucket of that metric.
    """
    window = promql.duration(over_s)
    buckets, sums = (promql.selector(f"{metric}_{part}", equal) for part in ("bucket", "sum"))
    by = promql.selector(label)  # a label's name has the shape of a metric's
    queries = (f"sum by (le, {by}) (rate({buckets}[{window}]))", f"sum by ({by}) (rate({sums}[{window}]))")
    with ThreadPoolExecutor(len(queries)) as pool:
        counted, timed = pool.map(lambda query: api.instant(query, at_s), queries)
    edges: dict[str, list[tuple[float, float]]] = {}
    totals: dict[str, float] = {}
    try:
        for one in counted:
            value = number(one.value[1]) if one.value else None
            if value is not None and "le" in one.metric:
                edges.setdefault(one.metric.get(label, ""), []).append((float(one.metric["le"]), value))
        for one in timed:
            value = number(one.value[1]) if one.value else None
            if value is not None:
                totals[one.metric.get(label, "")] = value
    except (ValueError, BadInput) as error:
        raise Unavailable(f"Prometheus at {api.name}: an edge or a value is no number", "check the exporter") from error
    if not edges:
        raise Unavailable(
            f"buckets of {metric} with two samples in {window} at {api.name}",
            "export a histogram, or ask for a longer window",
        )
    found = [_one(group, made, totals.get(group)) for group, made in edges.items()]
    return tuple(sorted(found, key=lambda one: (-(one.mean or 0.0), one.group)))


def _one(group: str, made: Sequence[tuple[float, float]], total: float | None) -> Assessed:
    buckets = _monotonic(made)
    top, per_s = buckets[-1]
    if math.isfinite(top):  # without +Inf nobody knows how many requests there were
        return Assessed(group=group, mean=None, quantiles=(None,) * len(QUANTILES), per_s=per_s)
    return Assessed(
        group=group,
        mean=total / per_s if total is not None and per_s > 0 else None,
        quantiles=tuple(quantile(q, buckets) for q in QUANTILES),
        per_s=per_s,
        capped=len(buckets) > 1 and per_s > 0 and max(QUANTILES) * per_s > buckets[-2][1],
    )


def _monotonic(made: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Sorted by edge; counts never fall (buckets of one scrape may differ by a request)."""
    found: list[tuple[float, float]] = []
    for edge, count in sorted(made):
        found.append((edge, max(count, found[-1][1]) if found else count))
    return found


def quantile(q: float, buckets: Sequence[tuple[float, float]]) -> float | None:
    """As Prometheus' `histogram_quantile`: linear within a bucket, the last finite edge above it; None when empty."""
    total = buckets[-1][1]
    if len(buckets) < 2 or total <= 0:
        return None
    rank = q * total
    at = next((index for index, (_, count) in enumerate(buckets[:-1]) if count >= rank), len(buckets) - 1)
    if at == len(buckets) - 1:
        return buckets[-2][0]
    edge, count = buckets[at]
    if at == 0:
        return edge if edge <= 0 else edge * rank / count
    start, below = buckets[at - 1]
    return start + (edge - start) * ((rank - below) / (count - below))
