"""The application's own `/metrics` page: its request timer, as differences over the window."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import isfinite

from unslow.errors import Unavailable
from unslow.evidence.requests import RouteTimer, Timers

LARGEST_PAGE = 8 * 1024 * 1024
PATHS = ("/metrics", "/metrics/", "/actuator/prometheus")
SAMPLE = re.compile(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')
TIMER = re.compile(r"(?:request|http|view|handler|server).*(?:duration|latency|time|seconds|milliseconds)", re.IGNORECASE)
OUTGOING = re.compile(r"client|outgoing|upstream|db|database|query|redis|gc_", re.IGNORECASE)
ROUTE_LABELS = ("route", "path", "url_rule", "http_route", "handler", "endpoint", "view", "uri", "http_target")
METHOD_LABELS = ("method", "http_method", "http_request_method", "verb")
STATUS_LABELS = ("status", "status_code", "code", "http_status_code", "http_response_status_code")
IN_FLIGHT = re.compile(r"in_?progress|in_?flight|active_requests", re.IGNORECASE)
INFINITE = 1e308

Labels = tuple[tuple[str, str], ...]
Page = dict[tuple[str, Labels], float]


class MetricsPage:
    """Scrapes the first page that holds a request timer, again and again."""

    def __init__(self, bases: Sequence[str], headers: Mapping[str, str] | None = None) -> None:
        self._headers = dict(headers or {})
        self._scrapes: list[Page] = []
        self.url, self.metric = self._find(bases)

    def scrape(self) -> None:
        """One more reading; a page that fails once is left out of the differences."""
        self._scrapes.append(parse(self._read(self.url)))

    def timers(self) -> Timers:
        """Last reading minus first. Raises `Unavailable` with fewer than two readings."""
        if len(self._scrapes) < 2:
            raise Unavailable("two readings of the metrics page", "repeat with a longer --budget")
        first, last = self._scrapes[0], self._scrapes[-1]
        scale = 1e-3 if "milli" in self.metric or self.metric.endswith("_ms") else 1.0
        in_flight = [value for (name, _), value in last.items() if IN_FLIGHT.search(name)]
        started = [value for (name, _), value in last.items() if name == "process_start_time_seconds"]
        return Timers(
            url=self.url,
            metric=self.metric,
            routes=_timers(_difference(first, last), self.metric, scale),
            lifetime=_timers(first, self.metric, scale),
            scrapes=len(self._scrapes),
            resets=falls(self._scrapes, self.metric),
            in_flight=sum(in_flight) if in_flight else None,
            process_start_s=min(started) if started else None,
        )

    def _find(self, bases: Sequence[str]) -> tuple[str, str]:
        seen = []
        for base in bases:
            for path in PATHS:
                try:
                    page = parse(self._read(base.rstrip("/") + path))
                except (Unavailable, OSError, http.client.HTTPException):
                    continue
                seen.append(base + path)
                metric = timer_name(page)
                if metric:
                    self._scrapes.append(page)
                    return base.rstrip("/") + path, metric
        if seen:
            raise Unavailable(
                f"a request timer on {seen[0]}", "count request durations in a histogram, by route, method and status"
            )
        raise Unavailable("a metrics page", "expose /metrics with the Prometheus client")

    def _read(self, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise Unavailable(f"a metrics page at {url}", "metrics are read over HTTP only")
        request = urllib.request.Request(url, headers={"Accept": "text/plain", **self._headers})  # noqa: S310 - checked above
        try:
            with urllib.request.urlopen(request, timeout=3.0) as answer:  # noqa: S310 - checked above
                body: bytes = answer.read(LARGEST_PAGE)
        except (urllib.error.URLError, TimeoutError, http.client.HTTPException) as error:
            raise Unavailable(f"{url} ({error})", "see whether the page answers: curl " + url) from error
        return body.decode("utf-8", "replace")


def parse(text: str) -> Page:
    """Samples of a page in the text format; lines that are none are passed over."""
    page: Page = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = SAMPLE.match(line)
        if match is None:
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        if isfinite(value):
            page[match[1], tuple(sorted(LABEL.findall(match[2] or "")))] = value
    return page


def timer_name(page: Page) -> str:
    """Base name of the metric that times incoming requests; empty when there is none."""
    names = {name for name, _ in page}
    bases = {name.removesuffix("_count") for name in names if name.endswith("_count")}
    timed = [base for base in bases if f"{base}_sum" in names and TIMER.search(base) and not OUTGOING.search(base)]
    # With several, the one that says most plainly that it times HTTP requests on the server side.
    return min(timed, key=lambda base: ("http" not in base, "request" not in base, f"{base}_bucket" not in names, base), default="")


def falls(scrapes: Sequence[Page], metric: str) -> int:
    """How often a counter of the timer was lower than in the scrape before."""
    counters = {f"{metric}_count", f"{metric}_sum"}
    fallen = 0
    for earlier, later in zip(scrapes, scrapes[1:], strict=False):
        both = (key for key in earlier if key in later and key[0] in counters)
        fallen += any(later[key] < earlier[key] for key in both)
        # A series that was there and is gone: another process answered.
        fallen += any(key not in later for key in earlier if key[0] in counters)
    return fallen


def _difference(first: Page, last: Page) -> Page:
    return {key: max(0.0, value - first.get(key, 0.0)) for key, value in last.items()}


def _timers(page: Page, metric: str, scale: float) -> tuple[RouteTimer, ...]:
    counts: dict[tuple[str, str, str], float] = defaultdict(float)
    sums: dict[tuple[str, str, str], float] = defaultdict(float)
    buckets: dict[tuple[str, str, str], dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for (name, labels), value in page.items():
        key = (_label(labels, ROUTE_LABELS), _label(labels, METHOD_LABELS), _label(labels, STATUS_LABELS))
        if name == f"{metric}_count":
            counts[key] += value
        elif name == f"{metric}_sum":
            sums[key] += value * scale
        elif name == f"{metric}_bucket":
            buckets[key][_edge(labels, scale)] += value
    return tuple(
        RouteTimer(
            route=key[0],
            method=key[1],
            status=key[2],
            count=count,
            sum_s=sums[key],
            buckets=tuple(sorted(buckets[key].items())),
        )
        for key, count in sorted(counts.items())
    )


def _label(labels: Labels, names: Sequence[str]) -> str:
    known = dict(labels)
    return next((known[name] for name in names if name in known), "")


def _edge(labels: Labels, scale: float) -> float:
    edge = float(dict(labels).get("le", "inf"))
    return edge * scale if isfinite(edge) else INFINITE
