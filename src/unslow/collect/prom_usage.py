"""What the containers of a workload used over a day, pods that are gone included: the history that sizing needs.

Each step counts the busiest pod of that moment: a request holds for every pod alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from unslow.collect import promql
from unslow.collect.prometheus_api import Api, Result, number
from unslow.errors import Unavailable

CPU = "container_cpu_usage_seconds_total"
MEMORY = "container_memory_working_set_bytes"
DAY_S = 86400.0
STEP_S = 300.0
_ENDS = {
    "Deployment": "-[a-z0-9]{5,10}-[a-z0-9]{5}",
    "StatefulSet": "-[0-9]+",
    "DaemonSet": "-[a-z0-9]{5}",
    "Pod": "",
}
"""How the names of its pods end."""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Of one container of the workload, by the names of `evidence.cluster.Usage`."""

    cores_p95: float | None = None
    cores_max: float | None = None
    memory_max_bytes: int | None = None
    looked_back_s: float


def pods_of(kind: str, name: str) -> str:
    """A regular expression for the names of its pods, those that are gone too."""
    return f"{re.escape(name)}{_ENDS.get(kind, '-.*')}"


def histories(api: Api, namespace: str, kind: str, name: str, at_s: float) -> dict[str, History]:
    """By container. Raises `Unavailable` when the kubelets' metrics are not scraped."""
    pods = promql.quoted(pods_of(kind, name))
    chosen = f'{{namespace={promql.quoted(namespace)},pod=~{pods},container!="",container!="POD"}}'
    busiest = f"max by (container) (rate({CPU}{chosen}[{promql.duration(STEP_S)}]))"
    over = f"[{promql.duration(DAY_S)}:{promql.duration(STEP_S)}]"
    points = _by_container(api.instant(f"count_over_time(({busiest}){over})", at_s))
    if not points:
        raise Unavailable(
            f"five minutes of {CPU} of {namespace}/{name} at {api.name}",
            "let Prometheus scrape the kubelets' page /metrics/cadvisor",
        )
    p95 = _by_container(api.instant(f"quantile_over_time(0.95, ({busiest}){over})", at_s))
    highest = _by_container(api.instant(f"max_over_time(({busiest}){over})", at_s))
    held = _by_container(
        api.instant(f"max by (container) (max_over_time({MEMORY}{chosen}[{promql.duration(DAY_S)}]))", at_s)
    )
    return {
        container: History(
            cores_p95=p95.get(container),
            cores_max=highest.get(container),
            memory_max_bytes=int(held[container]) if container in held else None,
            looked_back_s=count * STEP_S,
        )
        for container, count in points.items()
    }


def _by_container(results: Sequence[Result]) -> Mapping[str, float]:
    found = {}
    for one in results:
        value = number(one.value[1]) if one.value else None
        if value is not None:
            found[one.metric.get("container", "")] = value
    return found
