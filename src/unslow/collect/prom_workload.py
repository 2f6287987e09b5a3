"""A workload's latency from Prometheus: now by pod, and back to a time before it rose, pods that are gone included.

Its series are found by the labels that scrapers, meshes and collectors give them: the namespace, and the pods' names or
the workload's. What a pod asks of others is not counted as its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from unslow.collect import prom_native, prometheus, promql
from unslow.collect.prom_usage import pods_of
from unslow.collect.prometheus import Source
from unslow.collect.prometheus_api import Api, Result, number
from unslow.errors import Unavailable
from unslow.evidence.cluster import Latency
from unslow.evidence.series import Series
from unslow.evidence.window import Window
from unslow.measure.onset import onset_s

LOOKS_BACK_S = (3 * 3600.0, 24 * 3600.0, 7 * 24 * 3600.0)
"""Ever longer, until one shows when latency rose. A longer one has fewer points an hour."""
RECENT_S = 120.0
"""For the pods: a mean of this long before the look."""
KNOWN_S = 3600.0
"""Series that had a sample within this time are known."""
_NAMESPACES = (
    "namespace", "exported_namespace", "kubernetes_namespace", "k8s_namespace_name", "destination_workload_namespace",
)  # fmt: skip
_PODS = ("pod", "exported_pod", "pod_name", "kubernetes_pod_name", "k8s_pod_name")
_WORKLOADS = ("destination_workload", "workload", "deployment", "statefulset", "k8s_deployment_name")
_INBOUND = {"reporter": "destination", "direction": "inbound"}
"""A mesh tells each request at both of its ends."""
_LABELS = (*_NAMESPACES, *_PODS, *_WORKLOADS, *_INBOUND)


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    namespace: str
    kind: str
    name: str

    @property
    def pods(self) -> str:
        return pods_of(self.kind, self.name)


class NoMetric(Unavailable):
    """No series there bears the workload's labels."""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    series: Series
    by_pod: dict[str, Latency]
    """Of the last `RECENT_S` seconds; empty where the series do not name their pods."""


def past(api: Api, owner: Owner, path: str, at_s: float) -> Past:
    """Of the workload's requests to `path` before `at_s`. Raises `Unavailable` with what its series lack."""
    source = found(api, owner, path, at_s)
    return Past(series=_reaching(api, source, at_s), by_pod=_by_pod(api, source, at_s))


def found(api: Api, owner: Owner, path: str, at_s: float) -> Source:
    """Which series are the workload's, on the route of the path where they name routes."""
    rows = _serving(_label_sets(api, [f"{{{prometheus.CANDIDATES},{each}}}" for each in _spaces(owner)], at_s))
    native = not rows
    if native:
        among = " or ".join(f"{{{prometheus.NATIVE},{each}}}" for each in _spaces(owner))
        rows = _serving(prom_native.named(api, among, ("__name__", *_LABELS), at_s))
    matchers, own = _own(rows, owner)
    if matchers is None:
        raise NoMetric(
            f"a request duration metric of {owner.namespace}/{owner.name} at {api.name}"
            + (" (others in its namespace have one)" if rows else ""),
            "let Prometheus scrape the pods and keep the labels namespace and pod, or give --series FILE",
        )
    names = sorted({one["__name__"] for one in own})
    routed = _routed(api, matchers, names, native, at_s)
    chosen = prometheus.choose(routed or own, "", path, api.name)
    prometheus.need_route(routed, chosen, path, api.name)
    inbound = {
        name: here
        for name, here in _INBOUND.items()
        if all(name in one for one in own if one["__name__"] == f"{chosen.metric}_count")
    }
    return msgspec.structs.replace(
        chosen, equal={**chosen.equal, **matchers.equal, **inbound}, like=matchers.like, native=native
    )


def _spaces(owner: Owner) -> list[str]:
    """A matcher for each label that may hold the namespace."""
    return [f"{label}={promql.quoted(owner.namespace)}" for label in _NAMESPACES]


def _serving(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Of requests that were served, not sent."""
    return [
        one
        for one in rows
        if prometheus.serves(one["__name__"]) and all(one.get(label, here) == here for label, here in _INBOUND.items())
    ]


def _label_sets(api: Api, selectors: Sequence[str], at_s: float) -> list[dict[str, str]]:
    # `last_over_time` keeps the metric's name, the other functions of a range drop it.
    over = promql.duration(KNOWN_S)
    among = " or ".join(f"last_over_time({each}[{over}])" for each in selectors)
    answered = api.instant(f"count by (__name__,{','.join(_LABELS)}) ({among})", at_s)
    return [one.metric for one in answered if promql.is_metric(one.metric.get("__name__", ""))]


def _own(rows: Sequence[dict[str, str]], owner: Owner) -> tuple[Source | None, list[dict[str, str]]]:
    """What holds for the workload's own series, and their labels: by the names of its pods first, else by its own."""
    pods = re.compile(owner.pods)
    rows = [one for one in rows if one.get("destination_workload", owner.name) == owner.name]
    for space in _NAMESPACES:
        inside = [one for one in rows if one.get(space) == owner.namespace]
        for label in _PODS:
            own = [one for one in inside if pods.fullmatch(one.get(label, ""))]
            if own:
                return Source(metric="", equal={space: owner.namespace}, like={label: owner.pods}), own
        for label in _WORKLOADS:
            own = [one for one in inside if one.get(label) == owner.name]
            if own:
                return Source(metric="", equal={space: owner.namespace, label: owner.name}), own
    return None, []


def _routed(api: Api, matchers: Source, names: Sequence[str], native: bool, at_s: float) -> list[dict[str, str]]:
    """The routes of these metrics."""
    labels = ("__name__", *prometheus.ROUTE_LABELS)
    if native:
        metrics = [promql.selector(name.removesuffix("_count"), matchers.equal, None, matchers.like) for name in names]
        return prom_native.named(api, " or ".join(metrics), labels, at_s)
    metrics = [promql.selector(name, matchers.equal, None, matchers.like) for name in names]
    among = " or ".join(f"last_over_time({each}[{promql.duration(KNOWN_S)}])" for each in metrics)
    return [one.metric for one in api.instant(f"count by ({','.join(labels)}) ({among})", at_s)]


def _reaching(api: Api, source: Source, at_s: float) -> Series:
    """The shortest look back that shows when latency rose, else the shortest."""
    first: Series | None = None
    for back_s in LOOKS_BACK_S:
        try:
            window = Window(start_s=at_s - back_s, end_s=at_s)
            series = prometheus.over_time(api, window, source, tails=first is None)
        except Unavailable:
            if first is None:
                raise
            return first  # a busy server: what is known stands
        if onset_s(series) is not None:
            return series
        first = first or series
    assert first is not None  # there is a look back
    return first


def _by_pod(api: Api, source: Source, at_s: float) -> dict[str, Latency]:
    label = next(iter(source.like), "")
    if not label:
        return {}
    over = promql.duration(RECENT_S)
    rates, means = (_values(api.instant(query, at_s), label) for query in source.by(label, over))
    return {
        pod: Latency(requests=rate * RECENT_S, mean_s=means[pod] * source.unit_s, requests_per_s=rate)
        for pod, rate in rates.items()
        if rate > 0 and pod in means
    }


def _values(results: Sequence[Result], label: str) -> dict[str, float]:
    found = {}
    for one in results:
        value = number(one.value[1]) if one.value else None
        if value is not None:
            found[one.metric.get(label, "")] = value
    return found
