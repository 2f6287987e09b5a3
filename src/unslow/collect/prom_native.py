"""Native histograms: one series holds count, sum and buckets, and has no `_count`, `_sum` and `_bucket` beside it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from unslow.collect import promql
from unslow.collect.prometheus_api import Api
from unslow.errors import Unavailable

MOST = 8
"""Names that are tried: a server that holds more duration gauges than this is asked for a metric by name."""


def named(api: Api, candidates: str, labels: Sequence[str], at_s: float) -> list[dict[str, str]]:
    """Label sets of the native histograms among `candidates` (a selector), named as if they had a `_count`.

    Empty where the server knows no native histograms.
    """
    try:
        found = [one.metric for one in api.instant(f"count by ({','.join(labels)}) ({candidates})", at_s)]
        names = sorted({one.get("__name__", "") for one in found} - {""})[:MOST]
        if not names:
            return []
        tries = [f"count(histogram_count({promql.selector(name)}))" for name in names if promql.is_metric(name)]
        with ThreadPoolExecutor(len(tries) or 1) as pool:
            answers = list(pool.map(lambda query: api.instant(query, at_s), tries))
    except Unavailable:
        return []
    native = {name for name, answer in zip(filter(promql.is_metric, names), answers, strict=True) if answer}
    return [{**one, "__name__": f"{one['__name__']}_count"} for one in found if one.get("__name__") in native]


def pooled(histogram: str, window: str, by: str = "") -> str:
    """The histograms' rates added up, by a label or all together."""
    return f"sum{f' by ({by})' if by else ''} (rate({histogram}[{window}]))"
