"""The application's own timer: found by name and unit, read as differences, doubted when processes take turns."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from tests.collect import live
from unslow.collect import metrics_page
from unslow.collect.exposition import parse
from unslow.collect.metrics_page import MetricsPage, falls, in_flight_name, increases, timer_name, unit_s
from unslow.errors import Unavailable


class Site:
    """Serves what `page(path)` returns: text, or None for 404."""

    def __init__(self, page: Callable[[str], str | None]) -> None:
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, dict(self.headers)))
                text = page(self.path)
                body = (text or "").encode()
                self.send_response(404 if text is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Not of interest."""

        self.asked: list[tuple[str, dict[str, str]]] = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"


@contextlib.contextmanager
def site(page: Callable[[str], str | None]) -> Iterator[Site]:
    running = Site(page)
    thread = threading.Thread(target=running.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield running
    finally:
        running.server.shutdown()
        thread.join()
        running.server.server_close()


def test_differences_of_a_real_client_s_page() -> None:
    registry = CollectorRegistry()
    timer = Histogram("http_request_duration_seconds", "x", ["method", "route", "status"], registry=registry)
    timer.labels("GET", "/things", "200").observe(2.0)
    with site(lambda path: generate_latest(registry).decode() if path == "/metrics" else None) as app:
        page = MetricsPage([f"http://127.0.0.1:{live.free_port()}", app.base.replace("//", "//user:secret@")])
        page.scrape()
        settle(page, 1)
        for _ in range(4):
            timer.labels("GET", "/things", "200").observe(0.25)
        timer.labels("GET", "/things/<int:id>", "500").observe(0.5)
        page.scrape()
        timers = page.timers()
    assert timers.url == f"{app.base}/metrics"
    assert timers.metric == "http_request_duration_seconds"
    things = next(timer for timer in timers.routes if timer.route == "/things")
    assert (things.method, things.status, things.count, things.sum_s) == ("GET", "200", 4.0, 1.0)
    assert dict(things.buckets)[0.25] == 4.0
    assert things.buckets[-1] == (1e308, 4.0)
    assert {(timer.route, timer.count) for timer in timers.routes} == {("/things", 4.0), ("/things/<int:id>", 1.0)}
    assert [(timer.route, timer.count, timer.sum_s) for timer in timers.lifetime] == [("/things", 1.0, 2.0)]
    assert (timers.scrapes, timers.resets) == (2, 0)
    assert all("Authorization" in headers for _, headers in app.asked)


def settle(page: MetricsPage, scrapes: int) -> None:
    """Wait until so many scrapes, which run in the background, are done."""
    deadline = time.monotonic() + 10
    while page.scrapes < scrapes and time.monotonic() < deadline:
        time.sleep(0.01)
    assert page.scrapes >= scrapes


def test_several_processes_that_answer_in_turn_are_noticed() -> None:
    turn = iter(range(1000))

    def page(_: str) -> str:
        worker = next(turn) % 2
        return (
            f'http_request_duration_seconds_count{{route="/a"}} {100 - 90 * worker}\n'
            f'http_request_duration_seconds_sum{{route="/a"}} {10 - 9 * worker}\n'
            f"process_start_time_seconds {1000 + worker}\n"
        )

    with site(page) as app:
        found = MetricsPage([app.base])
        for number in range(3):
            found.scrape()
            settle(found, 2 * (number + 1))
        timers = found.timers()
    assert timers.scrapes == 6  # a page of one process is read twice each time
    assert timers.resets == 5
    assert timers.process_start_s in {1000.0, 1001.0}


def test_a_slow_page_does_not_hold_up_its_caller() -> None:
    slow = threading.Event()

    def page(_: str) -> str:
        if len(app.asked) > 1:
            slow.wait(10)
        return "http_request_duration_seconds_count 1\nhttp_request_duration_seconds_sum 1\n"

    with site(page) as app:
        found = MetricsPage([app.base])
        found.scrape()
        found.scrape()
        assert found.scrapes == 0  # still waiting, and so are we not
        slow.set()
        assert found.timers().scrapes == 2


@pytest.mark.parametrize(
    ("pages", "missing"),
    [
        ({}, "a metrics page"),
        ({"/metrics": "<html><body>Sorry</body></html>"}, "a metrics page"),
        ({"/metrics": "python_gc_collections_total 5\n"}, "a request timer on"),
        ({"/metrics": "x" * 100_000}, "a metrics page"),
    ],
)
def test_what_is_missing_is_said(pages: dict[str, str], missing: str) -> None:
    with site(pages.get) as app, pytest.raises(Unavailable) as caught:
        MetricsPage([app.base])
    assert caught.value.missing.startswith(missing)
    assert caught.value.remedy


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/actuator/prometheus"])
def test_usual_paths(path: str) -> None:
    text = "http_request_duration_seconds_count 1\nhttp_request_duration_seconds_sum 1\n"
    with site({path: text}.get) as app:
        assert MetricsPage([app.base]).url == app.base + path


def test_one_reading_makes_no_difference() -> None:
    text = "http_request_duration_seconds_count 1\nhttp_request_duration_seconds_sum 1\n"
    with site(lambda _: text) as app:
        page = MetricsPage([app.base])
        page.scrape()
        with pytest.raises(Unavailable, match="two readings"):
            page.timers()


def test_a_page_beyond_the_limit_is_cut_after_a_whole_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_page, "LARGEST_PAGE", 100_000)
    timer = "http_request_duration_seconds_count 1\nhttp_request_duration_seconds_sum 1\n"
    text = timer + "".join(f"other_{number} 1\n" for number in range(50_000))
    with site(lambda _: text) as app:
        page = MetricsPage([app.base])
        page.scrape()
        page.scrape()
        assert page.timers().scrapes == 2


@pytest.mark.parametrize(
    "name",
    [
        "http_request_duration_seconds",
        "flask_http_request_duration_seconds",
        "http_server_request_duration_seconds",
        "http_server_duration_milliseconds",
        "myshop_request_latency_seconds",
        "django_http_requests_latency_seconds_by_view_method",
        "http_server_requests_seconds",
        "request_processing_seconds",
        "api_response_time_ms",
        "starlette_request_duration_seconds",
    ],
)
def test_usual_names_beside_what_they_are_not(name: str) -> None:
    others = (
        "http_client_request_duration_seconds", "db_query_duration_seconds", "http_request_size_bytes",
        "upstream_http_request_duration_seconds", "python_gc_duration_seconds", "celery_task_request_time_seconds",
        "redis_request_duration_seconds", "http_requests",
    )  # fmt: skip
    text = "".join(f'{base}_count{{view="a"}} 5\n{base}_sum{{view="a"}} 5\n' for base in (*others, name))
    assert timer_name(parse(text)) == name
    assert timer_name(parse(text.replace(name, "nothing"))) == ""


def test_the_timer_that_tells_routes_apart_wins() -> None:
    text = (
        "django_http_requests_latency_including_middlewares_seconds_count 5\n"
        "django_http_requests_latency_including_middlewares_seconds_sum 5\n"
        'django_http_requests_latency_seconds_by_view_method_count{view="a",method="GET"} 5\n'
        'django_http_requests_latency_seconds_by_view_method_sum{view="a",method="GET"} 5\n'
    )
    assert timer_name(parse(text)) == "django_http_requests_latency_seconds_by_view_method"


def test_a_timer_that_has_counted_nothing_yet() -> None:
    registry = CollectorRegistry()
    Histogram("http_request_duration_seconds", "x", ["route"], registry=registry)
    assert timer_name(parse(generate_latest(registry).decode())) == "http_request_duration_seconds"


@pytest.mark.parametrize(
    ("text", "metric", "seconds"),
    [
        ("", "http_request_duration_seconds", 1.0),
        ("", "http_server_duration_milliseconds", 1e-3),
        ("", "request_time_ms", 1e-3),
        ("", "request_time_us", 1e-6),
        ("", "request_ms_total_seconds", 1e-3),
        ("# UNIT request_latency milliseconds\n", "request_latency", 1e-3),
        ("# HELP request_latency Time in ms\n", "request_latency", 1e-3),
        ("# HELP request_latency Tell us of bonus time in seconds\n", "request_latency", 1.0),
        ('request_latency_bucket{le="5000"} 1\n', "request_latency", 1e-3),
        ('request_latency_bucket{le="10"} 1\nrequest_latency_bucket{le="+Inf"} 1\n', "request_latency", 1.0),
    ],
)
def test_units(text: str, metric: str, seconds: float) -> None:
    assert unit_s(parse(text), metric) == seconds


def test_milliseconds_become_seconds_and_a_broken_series_is_left_out() -> None:
    def page(_: str) -> str:
        scale = len(app.asked)
        return (
            f'http_server_duration_milliseconds_count{{http_route="/a"}} {10 * scale}\n'
            f'http_server_duration_milliseconds_sum{{http_route="/a"}} {500 * scale}\n'
            f'http_server_duration_milliseconds_bucket{{http_route="/a",le="100"}} {10 * scale}\n'
            f'http_server_duration_milliseconds_bucket{{http_route="/a",le="what"}} {10 * scale}\n'
            f'http_server_duration_milliseconds_count{{http_route="/b"}} {10 * scale}\n'
            'http_server_duration_milliseconds_sum{http_route="/b"} NaN\n'
        )

    with site(page) as app:
        found = MetricsPage([app.base])
        for number in range(2):
            found.scrape()
            settle(found, number + 1)
        (only,) = found.timers().routes
    assert (only.route, only.count, only.sum_s, only.buckets) == ("/a", 10.0, 0.5, ((0.1, 10.0),))


def samples(**counts: float) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {("t_count", (("route", route),)): value for route, value in counts.items()}


def test_falls_and_increases() -> None:
    assert falls([samples(a=1), samples(a=2), samples(a=2)], "t") == 0
    assert falls([samples(a=5), samples(a=2), samples(a=6), samples(a=1)], "t") == 2
    assert falls([samples(a=1, b=1), samples(a=1)], "t") == 1  # the other process knows no b
    assert falls([samples(a=1), samples(a=1, b=1)], "t") == 0
    assert increases([samples(a=1), samples(a=4), samples(a=9)]) == samples(a=8)
    assert increases([samples(a=10), samples(a=3), samples(a=5)]) == samples(a=5)  # restarted at 0
    assert increases([samples(a=1), samples(a=1, b=2)]) == samples(a=0, b=2)


def test_requests_in_flight() -> None:
    text = 'promhttp_metric_handler_requests_in_flight 1\nhttp_requests_in_progress{pid="1"} 3\nother 1\n'
    assert in_flight_name(parse(text)) == "http_requests_in_progress"
    assert in_flight_name(parse("other 1\n")) == ""
