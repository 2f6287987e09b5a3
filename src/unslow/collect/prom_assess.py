"""Mean, percentiles and rate of every group in two queries: the buckets are read once, whatever is asked of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from unslow.collect import prom_native, promql
from unslow.collect.prometheus_api import Api, Result, number
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
    api: Api,
    metric: str,
    label: str,
    at_s: float,
    *,
    over_s: float = 300.0,
    equal: Mapping[str, str] | None = None,
    like: Mapping[str, str] | None = None,
    native: bool = False,
) -> tuple[Assessed, ...]:
    """The histogram `metric` (without suffix) by `label` at one instant, slowest mean first.

    Without buckets mean and rate remain. Unavailable when the server gives no answer, or holds nothing of the metric.
    """
    window = promql.duration(over_s)
    by = promql.selector(label)  # a label's name has the shape of a metric's
    found = (_native if native else _classic)(api, metric, by, window, at_s, (equal, None, like))
    if not found:
        raise Unavailable(
            f"two samples of {metric} in {window} at {api.name}",
            "export a histogram, or ask for a longer window",
        )
    return tuple(sorted(found, key=lambda one: (-(one.mean or 0.0), one.group)))


_Matchers = tuple[Mapping[str, str] | None, Mapping[str, str] | None, Mapping[str, str] | None]
"""As `promql.selector` takes them."""


def _classic(api: Api, metric: str, by: str, window: str, at_s: float, matchers: _Matchers) -> list[Assessed]:
    buckets, sums, counts = (promql.selector(f"{metric}_{part}", *matchers) for part in ("bucket", "sum", "count"))
    queries = (f"sum by (le, {by}) (rate({buckets}[{window}]))", f"sum by ({by}) (rate({sums}[{window}]))")
    counted, timed = _answered(api, queries, at_s)
    edges: dict[str, list[tuple[float, float]]] = {}
    try:
        for one in counted:
            value = number(one.value[1]) if one.value else None
            if value is not None and "le" in one.metric:
                edges.setdefault(one.metric.get(by, ""), []).append((float(one.metric["le"]), value))
    except (ValueError, BadInput) as error:
        raise Unavailable(f"Prometheus at {api.name}: an edge or a value is no number", "check the exporter") from error
    totals = _by(api, timed, by)
    if edges:
        return [_one(group, made, totals.get(group)) for group, made in edges.items()]
    rates = _by(api, api.instant(f"sum by ({by}) (rate({counts}[{window}]))", at_s), by)
    return [_without_quantiles(group, per_s, totals.get(group)) for group, per_s in rates.items()]


def _native(api: Api, metric: str, by: str, window: str, at_s: float, matchers: _Matchers) -> list[Assessed]:
    """The server's own functions: how it interpolates within a bucket differs between its versions."""
    pooled = prom_native.pooled(promql.selector(metric, *matchers), window, by)
    queries = (
        f"histogram_count({pooled})",
        f"histogram_sum({pooled})",
        *(f"histogram_quantile({q}, {pooled})" for q in QUANTILES),
    )
    rates, totals, *quantiles = (_by(api, answer, by) for answer in _answered(api, queries, at_s))
    return [
        msgspec.structs.replace(
            _without_quantiles(group, per_s, totals.get(group)), quantiles=tuple(one.get(group) for one in quantiles)
        )
        for group, per_s in rates.items()
    ]


def _answered(api: Api, queries: Sequence[str], at_s: float) -> list[Sequence[Result]]:
    with ThreadPoolExecutor(len(queries)) as pool:
        return list(pool.map(lambda query: api.instant(query, at_s), queries))


def _by(api: Api, answer: Sequence[Result], label: str) -> dict[str, float]:
    """Values by group, without those that are none (0/0: nothing was asked)."""
    found: dict[str, float] = {}
    for one in answer:
        try:
            value = number(one.value[1]) if one.value else None
        except BadInput as error:
            raise Unavailable(f"Prometheus at {api.name}: a value is no number", "check the exporter") from error
        if value is not None:
            found[one.metric.get(label, "")] = value
    return found


def _without_quantiles(group: str, per_s: float, total: float | None) -> Assessed:
    mean = total / per_s if total is not None and per_s > 0 else None
    return Assessed(group=group, mean=mean, quantiles=(None,) * len(QUANTILES), per_s=per_s)


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
