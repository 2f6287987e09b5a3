"""The application's own `/metrics` page: its request timer, as differences over the window."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import inf, isnan

from unslow.collect.exposition import Labels, Page, Samples, parse
from unslow.errors import Unavailable
from unslow.evidence.requests import RouteTimer, Timers
from unslow.http_request import http_request, tls_context

LARGEST_PAGE = 8 * 1024 * 1024
PATHS = ("/metrics", "/metrics/", "/actuator/prometheus")
FIND_S = 8.0
"""For all addresses and paths together: a page that is slower is of no use in a short window."""
SCRAPE_S = 10.0
"""A page served by busy workers waits in their queue like any request."""
MOST_ROUTES = 1000
INFINITE = 1e308

ROUTE_LABELS = (
    "route",
    "http_route",
    "url_rule",
    "path",
    "handler",
    "endpoint",
    "view",
    "uri",
    "path_template",
    "http_target",
)
METHOD_LABELS = ("method", "http_method", "http_request_method", "verb", "request_method")
STATUS_LABELS = (
    "status",
    "status_code",
    "code",
    "http_status_code",
    "http_response_status_code",
    "http_status",
)
PROCESS_START = "process_start_time_seconds"

_TIMER = re.compile(
    r"(?:request|http|view|handler|server|response|api).*(?:duration|latency|time|seconds|_ms(?:_|$))",
    re.IGNORECASE,
)
_OUTGOING = re.compile(
    r"(?:^|[_.])(?:client|outgoing|outbound|upstream|downstream|external|db|database|sql|query|redis|cache|gc|scrape"
    r"|task|tasks|job|celery|queue|promhttp|push)(?:[_.]|$)",
    re.IGNORECASE,
)
_IN_FLIGHT = re.compile(r"in_?progress|in_?flight|active_requests", re.IGNORECASE)
_UNITS = (
    (re.compile(r"milli|(?:^|[_.])ms(?:[_.]|$)|\bin ms\b|\(ms\)", re.IGNORECASE), 1e-3),
    (re.compile(r"microsec|(?:^|[_.])us(?:[_.]|$)", re.IGNORECASE), 1e-6),
    (re.compile(r"nanosec|(?:^|[_.])ns(?:[_.]|$)", re.IGNORECASE), 1e-9),
    (re.compile(r"seconds|(?:^|[_.])s(?:ec)?(?:[_.]|$)", re.IGNORECASE), 1.0),
)
_MS_EDGE = 500.0
"""With no unit named, a histogram whose last finite edge is as high counts milliseconds."""

Key = tuple[str, str, str]


class MetricsPage:
    """Scrapes the first page with a request timer, each time anew, so that any worker may answer.

    Raises `Unavailable` when none of the base URLs has such a page.
    """

    def __init__(
        self, bases: Sequence[str], within_s: float = FIND_S, headers: Mapping[str, str] | None = None
    ) -> None:
        self._headers = {
            "Accept": "text/plain;version=0.0.4, */*;q=0.1",
            "Connection": "close",
            **(headers or {}),
        }
        self._scraped: list[str] = []
        self._under_way: list[threading.Thread] = []
        self._address, page, self.metric = self._find(bases, within_s)
        self.url = http_request(self._address).url
        self._unit_s = unit_s(page, self.metric)
        self._in_flight = in_flight_name(page)
        # A page that tells when its process started is one process's own. With several behind the port, two
        # readings in a row find that out sooner.
        self._readings = 2 if any(name == PROCESS_START for name, _ in page.samples) else 1

    def scrape(self) -> None:
        """One more reading, in the background: a page that waits for a busy worker holds nobody up.

        A reading that fails is left out of the differences.
        """
        thread = threading.Thread(target=self._scrape, name="metrics-page", daemon=True)
        self._under_way.append(thread)
        thread.start()

    @property
    def scrapes(self) -> int:
        """Readings that have come so far."""
        return len(self._scraped)

    def timers(self) -> Timers:
        """Differences from the first scrape to the last. Raises `Unavailable` with fewer than two."""
        for thread in self._under_way:
            thread.join(SCRAPE_S * self._readings)
        names = (self.metric, PROCESS_START, *((self._in_flight,) if self._in_flight else ()))
        pages = [parse(text, names).samples for text in list(self._scraped)]
        if len(pages) < 2:
            raise Unavailable(f"two readings of {self.url}", "repeat with a longer --budget")
        in_flight = [value for (name, _), value in pages[-1].items() if name == self._in_flight]
        started = [value for (name, _), value in pages[-1].items() if name == PROCESS_START]
        return Timers(
            url=self.url,
            metric=self.metric,
            routes=_timers(increases(pages), self.metric, self._unit_s),
            lifetime=_timers(pages[0], self.metric, self._unit_s),
            scrapes=len(pages),
            resets=falls(pages, self.metric),
            in_flight=sum(in_flight) if in_flight else None,
            process_start_s=min(started) if started else None,
        )

    def _scrape(self) -> None:
        for _ in range(self._readings):
            try:
                self._scraped.append(self._read(self._address, SCRAPE_S))
            except Unavailable:
                return  # fewer scrapes than were asked for is what the section then says

    def _find(self, bases: Sequence[str], within_s: float) -> tuple[str, Page, str]:
        seen, deadline = "", time.monotonic() + within_s
        for base in bases:
            for path in PATHS:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    break
                address = base.rstrip("/") + path
                try:
                    page = parse(self._read(address, left_s))
                except Unavailable:
                    continue
                metric = timer_name(page)
                if metric:
                    return address, page, metric
                if page.samples and not seen:
                    seen = http_request(address).url
        if seen:
            raise Unavailable(
                f"a request timer on {seen}",
                "count request durations in a histogram, by route, method and status",
            )
        raise Unavailable("a metrics page", "expose /metrics with the Prometheus client")

    def _read(self, address: str, within_s: float) -> str:
        """The page as text, cut after a whole line when it is too large. Redirects are not followed."""
        request = http_request(address, headers=self._headers)
        deadline = time.monotonic() + within_s
        connection = (
            http.client.HTTPSConnection(request.host, request.port, timeout=within_s, context=tls_context(request))
            if request.secure
            else http.client.HTTPConnection(request.host, request.port, timeout=within_s)
        )
        try:
            connection.request("GET", request.path, headers=dict(request.headers))
            answer = connection.getresponse()
            if answer.status != 200:
                raise http.client.HTTPException(f"status {answer.status}")
            body = b""
            while chunk := answer.read1(65536):
                body += chunk
                if time.monotonic() > deadline:
                    raise TimeoutError(f"more than {within_s:.0f} s")
                if len(body) > LARGEST_PAGE:
                    body = body[: body.rfind(b"\n", 0, LARGEST_PAGE) + 1]
                    break
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"{request.url} ({error})", f"see whether it answers: curl {request.url}") from error
        finally:
            connection.close()
        return body.decode("utf-8", "replace")


def timer_name(page: Page) -> str:
    """Base name of the metric that times incoming requests; empty when there is none."""
    counted = {name for name, _ in page.samples}
    bases = {name.removesuffix("_count") for name in counted if name.endswith("_count")}
    timed = {base for base in bases if f"{base}_sum" in counted}
    # A labelled timer that has counted nothing yet shows only in its TYPE line.
    timed |= {name for name, kind in page.types.items() if kind in {"histogram", "summary"}}
    serving = [name for name in timed if _TIMER.search(name) and not _OUTGOING.search(name)]
    labelled = {
        name.removesuffix("_count")
        for name, labels in page.samples
        if any(label in ROUTE_LABELS for label, _ in labels)
    }

    def doubt(name: str) -> tuple[bool, bool, bool, bool, str]:
        # With several, one that tells routes apart, and says most plainly that it times HTTP requests.
        one_for_all = name in bases and name not in labelled
        has_buckets = f"{name}_bucket" in counted or page.types.get(name) == "histogram"
        return (one_for_all, "http" not in name, "request" not in name, not has_buckets, name)

    return min(serving, key=doubt, default="")


def unit_s(page: Page, metric: str) -> float:
    """Seconds in one unit of the metric: by its name, its UNIT or HELP line, or the size of its buckets."""
    for text in (metric, page.units.get(metric, ""), page.helps.get(metric, "")):
        for pattern, seconds in _UNITS:
            if pattern.search(text):
                return seconds
    edges = [_edge(labels) for name, labels in page.samples if name == f"{metric}_bucket"]
    return 1e-3 if max((edge for edge in edges if edge < inf), default=0.0) >= _MS_EDGE else 1.0


def in_flight_name(page: Page) -> str:
    """The gauge of requests being served; empty when there is none."""
    names = {name for name, _ in page.samples if _IN_FLIGHT.search(name) and not _OUTGOING.search(name)}
    return min(names, key=lambda name: ("http" not in name, name), default="")


def falls(scrapes: Sequence[Samples], metric: str) -> int:
    """How often one scrape shows another process, or a younger one, than the scrape before.

    Told by a counter that fell, a series that is gone, or another start time of the process.
    """
    counters = {f"{metric}_count", f"{metric}_sum", PROCESS_START}
    return sum(
        any(
            later.get(key) is None or (later[key] != value if key[0] == PROCESS_START else later[key] < value)
            for key, value in earlier.items()
            if key[0] in counters
        )
        for earlier, later in pairwise(scrapes)
    )


def increases(scrapes: Sequence[Samples]) -> Samples:
    """How much each counter grew over all scrapes; after a fall it is taken to have started again at 0."""
    grown: Samples = defaultdict(float)
    last = dict(scrapes[0])
    for later in scrapes[1:]:
        for key, value in later.items():
            before = last.get(key, 0.0)
            grown[key] += value - before if value >= before else value
        last.update(later)
    return dict(grown)


def _timers(samples: Samples, metric: str, unit: float) -> tuple[RouteTimer, ...]:
    counts: dict[Key, float] = defaultdict(float)
    sums: dict[Key, float] = defaultdict(float)
    buckets: dict[Key, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for (name, labels), value in samples.items():
        key = (_label(labels, ROUTE_LABELS), _label(labels, METHOD_LABELS), _label(labels, STATUS_LABELS))
        # A count without its sum (or with one that is not a number) would make the mean too small.
        if name == f"{metric}_count" and (f"{metric}_sum", labels) in samples:
            counts[key] += value
            sums[key] += samples[f"{metric}_sum", labels] * unit
        elif name == f"{metric}_bucket":
            edge = _edge(labels)
            if not isnan(edge):
                buckets[key][edge * unit if edge < inf else INFINITE] += value
    busiest = sorted((key for key in counts if counts[key] > 0), key=lambda key: (-counts[key], key))[:MOST_ROUTES]
    return tuple(
        RouteTimer(
            route=key[0],
            method=key[1],
            status=key[2],
            count=counts[key],
            sum_s=sums[key],
            buckets=tuple(sorted(buckets[key].items())),
        )
        for key in sorted(busiest)
    )


def _label(labels: Labels, names: Iterable[str]) -> str:
    known = dict(labels)
    return next((known[name] for name in names if name in known), "")


def _edge(labels: Labels) -> float:
    """Upper edge of a bucket in the metric's unit; not a number when the label makes no sense."""
    try:
        return float(dict(labels).get("le", "nan"))
    except ValueError:
        return float("nan")
