"""Latency over time from Prometheus: pooled mean, p99 and rate of the duration metric that it finds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import ceil
from statistics import median

import msgspec

from unslow.collect import prom_native, promql
from unslow.collect.prom_login import Login
from unslow.collect.prometheus_api import Api, number
from unslow.errors import BadInput, Unavailable
from unslow.evidence.series import Point, Series
from unslow.evidence.window import Window

MAX_POINTS = 500
SCRAPES_PER_RATE = 4
"""A rate over fewer scrapes is lost whenever one scrape is late."""
DEFAULT_SCRAPE_S = 60.0
RAW_LOOK_S = 600.0
RESETS_PER_SCRAPE = 0.05
"""Counters go backwards at restarts, not at one scrape in twenty: then several processes answer in turn."""

CANDIDATES = (
    '__name__=~".*(duration|latency|response_time|request_time|requests?_(processing_)?(milli)?seconds).*_count"'
)
NATIVE = '__name__=~".*(duration|latency|response_time|request_time|requests?_(processing_)?(milli)?seconds)(_[a-z]+)?",quantile="",le=""'
"""Matchers."""
_SERVING = re.compile(r"http|request|rpc|response")
_NOT_SERVING = re.compile(
    r"client|outgoing|upstream|(^|_)(db|sql|redis|gc|scrape|rule|notification|kubelet|etcd|workqueue|tsdb)(_|$)"
    r"|^(prometheus|go|process|python|net_conntrack|apiserver|rest_client|alertmanager|grafana)_"
)
SERVICE_LABELS = (
    "job", "service", "service_name", "app", "app_kubernetes_io_name", "application", "destination_workload",
    "deployment", "container", "exported_job",
)  # fmt: skip
ROUTE_LABELS = ("handler", "route", "http_route", "path", "endpoint", "url_rule", "uri", "view", "rule")
_PARAMETER = re.compile(r"<.+>|\{.+\}|:.+")
_UNITS = (("_milliseconds", 1e-3), ("_ms_", 1e-3), ("_microseconds", 1e-6), ("_us_", 1e-6))


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Which series to pool: a metric (without `_count`) and the matchers that hold for target and path."""

    metric: str
    equal: dict[str, str] = {}
    without: dict[str, str] = {}
    like: dict[str, str] = {}
    native: bool = False
    """One series holds everything, without suffixes."""

    @property
    def unit_s(self) -> float:
        return next((unit for word, unit in _UNITS if word in self.metric + "_"), 1.0)

    def part(self, suffix: str) -> str:
        name = self.metric if self.native else f"{self.metric}_{suffix}"
        return promql.selector(name, self.equal, self.without, self.like)

    def mean(self, over: str) -> str:
        if self.native:
            pooled = prom_native.pooled(self.part(""), over)
            return f"histogram_sum({pooled}) / histogram_count({pooled})"
        return promql.pooled_mean(self.part("sum"), self.part("count"), over)

    def quantile(self, q: float, over: str) -> str:
        if self.native:
            return f"histogram_quantile({q}, {prom_native.pooled(self.part(''), over)})"
        return promql.pooled_quantile(q, self.part("bucket"), over)

    def rate(self, over: str) -> str:
        if self.native:
            return f"histogram_count({prom_native.pooled(self.part(''), over)})"
        return promql.pooled_rate(self.part("count"), over)

    def by(self, label: str, over: str) -> tuple[str, str]:
        """Requests a second, and the mean, for each value of a label."""
        if self.native:
            pooled = prom_native.pooled(self.part(""), over, label)
            return f"histogram_count({pooled})", f"histogram_sum({pooled}) / histogram_count({pooled})"
        counts, sums = (f"sum by ({label}) (rate({self.part(what)}[{over}]))" for what in ("count", "sum"))
        return counts, f"{sums} / {counts}"


def series(
    base_url: str,
    window: Window,
    *,
    service: str = "",
    path: str = "",
    metric: str = "",
    login: Login = Login(),  # noqa: B008 - it is frozen
) -> Series:
    """Latency of `service` (all of the server's, when empty) on `path` over the window, in seconds.

    `metric` overrides the search. Raises Unavailable, telling apart no connection, no access, a time-out,
    a refused query, and nothing found; BadUsage for an address that is none.
    """
    api = Api(base_url, login)
    return over_time(api, window, find(api, window, service, path, metric))


def over_time(api: Api, window: Window, source: Source, *, tails: bool = True) -> Series:
    """The source's latency and rate over the window. Unavailable when nothing completed in it.

    Without `tails` no p99, which costs the server more than the rest: it reads every bucket of every pod.
    """
    scrape_s = _scrape_interval_s(api, source, window)
    step_s = max(scrape_s, float(ceil(window.seconds / MAX_POINTS)))
    over = promql.duration(max(SCRAPES_PER_RATE * scrape_s, step_s))
    mean = source.mean(over)
    # A point speaks of the rate window before it.
    grid = [window.start_s + step_s * at for at in range(int(window.seconds / step_s) + 1)]
    with ThreadPoolExecutor(3) as pool:
        queries = (mean, source.rate(over), *((source.quantile(0.99, over),) if tails else ()))
        means, rates, *tail = pool.map(lambda query: _column(api, query, grid, step_s), queries)
    p99s = tail[0] if tail else [None] * len(grid)
    points = tuple(
        Point(
            at_s=at,
            mean_s=_scaled(average, source.unit_s),
            p99_s=_scaled(p99, source.unit_s),
            requests_per_s=rate,
        )
        for at, average, p99, rate in zip(grid, means, p99s, rates, strict=True)
    )
    if all(point.mean_s is None for point in points):
        raise Unavailable(
            f"requests in {source.part('count')} at {api.name} within the window",
            "ask for a time with traffic, or for another path",
        )
    warnings = [*api.warnings, *_doubts(api, source, window, scrape_s)]
    return Series(source=api.name, query=mean, step_s=step_s, points=points, warnings=tuple(warnings))


def _scaled(value: float | None, unit_s: float) -> float | None:
    return None if value is None else value * unit_s


def _column(api: Api, query: str, grid: Sequence[float], step_s: float) -> list[float | None]:
    """One value per grid point; None where the store has none."""
    results = api.range(query, grid[0], grid[-1], step_s)
    found: dict[int, float | None] = {}
    for at, text in results[0].values if results else ():
        try:
            found[round((at - grid[0]) / step_s)] = number(text)
        except BadInput as error:
            raise Unavailable(f"Prometheus at {api.name}: {error.message}", "check the server") from error
    return [found.get(index) for index in range(len(grid))]


def _scrape_interval_s(api: Api, source: Source, window: Window) -> float:
    """Median distance of the raw samples of one series; the server's configuration is seldom readable."""
    look = promql.duration(min(max(window.seconds, 600.0), 3600.0))
    fullest = api.instant(f"topk(1, count_over_time({source.part('count')}[{look}]))", window.end_s)
    if not fullest:
        return DEFAULT_SCRAPE_S
    labels = {name: value for name, value in fullest[0].metric.items() if promql.is_label(name)}
    one = msgspec.structs.replace(source, equal=labels, without={}, like={}).part("count")
    samples = api.instant(f"{one}[{promql.duration(RAW_LOOK_S)}]", window.end_s)
    times = [at for at, _ in samples[0].histograms or samples[0].values] if samples else []
    if len(times) < 2:
        return DEFAULT_SCRAPE_S
    return float(max(1, round(median(after - before for before, after in pairwise(times)))))


def _doubts(api: Api, source: Source, window: Window, scrape_s: float) -> list[str]:
    query = f"max(resets({source.part('count')}[{promql.duration(window.seconds)}]))"
    results = api.instant(query, window.end_s)
    resets = number(results[0].value[1]) if results and results[0].value else None
    if resets and resets > max(2.0, RESETS_PER_SCRAPE * window.seconds / scrape_s):
        return [
            f"a counter went backwards {resets:.0f} times: several processes answer the scrapes in turn, "
            "so rates and means are wrong (multiprocess mode of the client library is off)"
        ]
    return []


def find(api: Api, window: Window, service: str, path: str, metric: str = "") -> Source:
    """The duration metric of the service, and what holds for the path. Raises `Unavailable`, `BadInput`."""
    name = promql.metric_name(metric) if metric else ""
    candidates = promql.selector(f"{name.removesuffix('_count')}_count") if name else f"{{{CANDIDATES}}}"
    labels = ",".join(("__name__", *SERVICE_LABELS, *ROUTE_LABELS))
    look_s = min(max(window.seconds, 300.0), 3600.0)
    # `last_over_time` keeps the metric's name, the other functions of a range drop it.
    query = f"count by ({labels}) (last_over_time({candidates}[{promql.duration(look_s)}]))"
    answered = [one.metric for one in api.instant(query, window.end_s)]
    found = [one for one in answered if promql.is_metric(one.get("__name__", ""))]
    serving = [one for one in found if metric or serves(one["__name__"])]
    native = not serving
    if native:
        among = promql.selector(name) if name else f"{{{NATIVE}}}"
        known = prom_native.named(api, among, ("__name__", *SERVICE_LABELS, *ROUTE_LABELS), window.end_s)
        serving = [one for one in known if metric or serves(one["__name__"])]
    if not serving:
        raise Unavailable(
            f"a request duration metric ({metric or '*_duration_seconds'}) at {api.name}",
            "export a histogram of request durations, or name the metric yourself",
        )
    chosen = choose(serving, service, path, api.name)
    need_route(serving, chosen, path, api.name)
    return msgspec.structs.replace(chosen, native=native)


def need_route(found: Sequence[Mapping[str, str]], chosen: Source, path: str, server: str) -> None:
    """All routes together are no reference for one of them: raises `Unavailable` where that is all there is."""
    names = {
        one[label]
        for one in found
        for label in ROUTE_LABELS
        if one.get("__name__") == f"{chosen.metric}_count" and one.get(label, "").startswith("/")
    }
    if path and names and not set(chosen.equal.values()) & names:
        raise Unavailable(
            f"requests to {path} at {server}; there are those to {', '.join(sorted(names)[:8])}",
            "ask for one of these: --path, or its URL",
        )


def serves(name: str) -> bool:
    return bool(_SERVING.search(name)) and not _NOT_SERVING.search(name)


def choose(found: Sequence[Mapping[str, str]], service: str, path: str, server: str) -> Source:
    """The best metric among label sets (each with `__name__`), and the matchers for service and path."""
    chosen, equal = _of_service(found, service, server)
    routed = [(label, one) for one in chosen for label in ROUTE_LABELS if one.get(label)]
    exact = [(label, one) for label, one in routed if path and one[label].rstrip("/") == path.rstrip("/")]
    exact = exact or [(label, one) for label, one in routed if path and _is_template(one[label], path)]
    pool = [one for _, one in exact] or chosen
    name = max(sorted({one["__name__"] for one in pool}), key=_fitness)
    for label, one in exact:
        if one["__name__"] == name:
            equal = {**equal, label: one[label]}
            break
    without = {}
    if not exact:
        labels = {label for label, one in routed if one["__name__"] == name and one[label].startswith("/")}
        without = dict.fromkeys(labels, promql.PROBES)
    return Source(metric=name.removesuffix("_count"), equal=equal, without=without)


def _is_template(route: str, path: str) -> bool:
    """Whether the route is the path with names in place of some parts: `/items/<id>`, `/items/{id}`, `/items/:id`."""
    wanted, given = route.strip("/").split("/"), path.strip("/").split("/")
    return (
        len(wanted) == len(given)
        and route.startswith("/")
        and all(
            part == other or (other and _PARAMETER.fullmatch(part)) for part, other in zip(wanted, given, strict=True)
        )
        and any(part == other for part, other in zip(wanted, given, strict=True))
    )


def _of_service(
    found: Sequence[Mapping[str, str]], service: str, server: str
) -> tuple[list[Mapping[str, str]], dict[str, str]]:
    if not service:
        return list(found), {}
    for label in SERVICE_LABELS:
        same = [one for one in found if one.get(label, "").lower() == service.lower()]
        if same:
            return same, {label: same[0][label]}
    names = sorted({one[label] for one in found for label in ("job", "service", "app") if one.get(label)})
    if len(names) <= 1:  # one service only: it goes by another name there
        return list(found), {}
    raise Unavailable(
        f"a duration metric of {service!r} at {server}; there are {', '.join(names[:8])}",
        "name the service as Prometheus does",
    )


def _fitness(name: str) -> tuple[int, int, str]:
    """Server-side request durations before anything else; of equals the shorter name, then the alphabet."""
    words = ("http", "request", "server", "duration")
    return (sum(word in name for word in words) + 2 * ("http" in name), -len(name), name)
