"""kube-proxy's own metrics: how many rules it keeps on a node, and how long a change takes until it is in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from unslow.collect import promql
from unslow.collect.exposition import Samples
from unslow.collect.prom_assess import quantile
from unslow.collect.prometheus_api import Api, Result, number
from unslow.errors import Unavailable

SYNC = "kubeproxy_sync_proxy_rules_duration_seconds"
RULES = "kubeproxy_sync_proxy_rules_iptables_total"
LOOK_S = 3600.0
"""Changes are rare: an hour of them."""


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    rules: int | None = None
    """Of the node that has most; None: not told, as in the modes ipvs and nftables."""
    sync_p99_s: float | None = None


def of_page(samples: Samples) -> Proxy | None:
    """From its page, since it started. None when the page tells nothing of it."""
    rules = [value for (name, _), value in samples.items() if name == RULES]
    buckets: dict[float, float] = {}
    for (name, labels), value in samples.items():
        if name == f"{SYNC}_bucket":
            _add(buckets, dict(labels), value)
    return _proxy(sum(rules) if rules else None, quantile(0.99, sorted(buckets.items())) if buckets else None)


def of_prometheus(api: Api, at_s: float) -> Proxy:
    """Over the last hour of all nodes. Raises `Unavailable` when kube-proxy is not scraped."""
    over = promql.duration(LOOK_S)
    rules = _one(api.instant(f"max(sum by (instance) ({RULES}))", at_s))
    p99 = _one(api.instant(f"histogram_quantile(0.99, sum by (le) (increase({SYNC}_bucket[{over}])))", at_s))
    found = _proxy(rules, p99)
    if found is None:
        raise Unavailable(
            f"kube-proxy's metrics at {api.name}",
            "scrape port 10249 of the nodes, or allow the node rung: --allow node",
        )
    return found


def _proxy(rules: float | None, p99: float | None) -> Proxy | None:
    if rules is None and p99 is None:
        return None
    return Proxy(rules=None if rules is None else int(rules), sync_p99_s=p99)


def _add(buckets: dict[float, float], labels: Mapping[str, str], value: float) -> None:
    bound = float(labels.get("le", "inf"))
    buckets[bound] = buckets.get(bound, 0.0) + value


def _one(results: Sequence[Result]) -> float | None:
    value = results[0].value if results else None
    return number(value[1]) if value else None
