from __future__ import annotations

import base64
import contextlib
import gzip
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from unslow.collect import prom_http, prometheus_api, promql
from unslow.collect.prom_login import Login
from unslow.collect.prometheus import choose, series
from unslow.errors import BadUsage, Unavailable
from unslow.evidence.window import Window

WINDOW = Window(start_s=1_700_000_000, end_s=1_700_000_600)
METRIC = {"__name__": "http_request_duration_seconds_count", "job": "web", "handler": "/a"}


def success(*results: dict, **more) -> tuple[int, dict, bytes]:
    return (
        200,
        {},
        json.dumps({"status": "success", "data": {"resultType": "x", "result": results}, **more}).encode(),
    )


def failure(status: int, kind: str, error: str) -> tuple[int, dict, bytes]:
    return status, {}, json.dumps({"status": "error", "errorType": kind, "error": error}).encode()


class Scripted:
    """A server on a socket of its own whose answers are written by the test; it keeps what it was asked."""

    def __init__(self, answer: Callable[[str, str], tuple[int, dict, bytes] | None]) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                query = parse_qs(url.query).get("query", [""])[0]
                outer.asked.append(query)
                outer.headers.append(dict(self.headers))
                answered = answer(url.path, query)
                if answered is None:
                    return
                status, headers, body = answered
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Scripted:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def healthy(path: str, query: str) -> tuple[int, dict, bytes]:
    """One metric, scraped every 15 s; 20 requests a second of 50 ms; one point without traffic."""
    at = WINDOW.start_s
    if query.startswith("count by"):
        return success({"metric": METRIC})
    if query.startswith("topk"):
        return success({"metric": {"job": "web", "handler": "/a", "instance": 'x"y'}, "value": [at, "40"]})
    if query.startswith("max(resets"):
        return success({"metric": {}, "value": [at, "0"]})
    if "query_range" in path:
        value = "0.2" if query.startswith("histogram") else "0.05" if " / " in query else "20"
        values = [[at + 15 * step, value if step != 2 else "NaN"] for step in range(41) if step != 3]
        return success({"metric": {}, "values": values})
    return success({"metric": {}, "values": [[at + 15 * step, "1"] for step in range(40)]})


def test_the_mean_is_pooled_over_four_scrapes_and_gaps_stay_gaps():
    with Scripted(healthy) as server:
        found = series(server.url, WINDOW, service="web", path="/a")
    part = 'http_request_duration_seconds_{}{{handler="/a",job="web"}}[60s]'
    assert found.query == f"sum(rate({part.format('sum')})) / sum(rate({part.format('count')}))"
    assert found.step_s == 15
    assert len(found.points) == 41
    assert [point.mean_s for point in found.points[:5]] == [0.05, 0.05, None, None, 0.05]
    assert found.points[0].p99_s == 0.2
    assert found.points[0].requests_per_s == 20
    assert found.warnings == ()


def test_milliseconds_become_seconds():
    def answer(path, query):
        if query.startswith("count by"):
            return success({"metric": {"__name__": "istio_request_duration_milliseconds_count"}})
        return healthy(path, query)

    with Scripted(answer) as server:
        assert series(server.url, WINDOW).points[0].mean_s == pytest.approx(0.05e-3)


def test_warnings_partial_answers_and_counters_that_go_back_are_told():
    def answer(path, query):
        if query.startswith("max(resets"):
            return success({"metric": {}, "value": [0, "17"]})
        status, headers, body = healthy(path, query)
        return (
            status,
            headers,
            json.dumps({**json.loads(body), "warnings": ["a store\nis down"], "isPartial": True}).encode(),
        )

    with Scripted(answer) as server:
        warnings = series(server.url, WINDOW).warnings
    assert warnings[:2] == ("a store is down", "the answer is partial")
    assert warnings[2].startswith("a counter went backwards 17 times")
    assert len(warnings) == 3


def test_credentials_are_sent_not_shown_and_own_headers_win():
    with Scripted(healthy) as server:
        url = server.url.replace("//", "//joe:s%40cret@")
        found = series(url, WINDOW, login=Login(headers={"X-Scope-OrgID": "team", "User-Agent": "mine"}))
    expected = "Basic " + base64.b64encode(b"joe:s@cret").decode()
    assert {one["Authorization"] for one in server.headers} == {expected}
    assert {one["X-Scope-OrgID"] for one in server.headers} == {"team"}
    assert {one["User-Agent"] for one in server.headers} == {"mine"}
    assert "cret" not in found.source + found.query


def only(answer: tuple[int, dict, bytes] | None) -> Callable[[str, str], tuple[int, dict, bytes] | None]:
    return lambda path, query: answer


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((401, {}, b"no"), "not allowed in (HTTP 401)"),
        ((403, {}, b"{}"), "not allowed in (HTTP 403)"),
        (failure(403, "forbidden", "no tenant"), "not allowed in (HTTP 403)"),
        ((404, {}, b"<html>"), "no query API there (HTTP 404)"),
        ((429, {}, b""), "too many queries"),
        ((500, {}, b"oops"), "it fails (HTTP 500)"),
        ((302, {"Location": "http://169.254.169.254/"}, b""), "it redirects"),
        ((200, {}, b"<html>hello"), "no Prometheus JSON"),
        ((200, {}, b'{"status":"success","data":{"resul'), "no Prometheus JSON"),
        ((200, {}, b"[" * 50_000), "no Prometheus JSON"),
        ((200, {}, b'{"status":"success","data":{"result":[{"values":[[1,2]]}]}}'), "no Prometheus JSON"),
        ((200, {"Content-Encoding": "gzip"}, b"garbage"), "no Prometheus JSON"),
        ((200, {"Content-Length": "1000"}, b"{"), "nothing cuts answers off"),
        (failure(400, "bad_data", "parse error"), "it refused"),
        (failure(422, "execution", "too many samples"), "it refused"),
        (failure(503, "timeout", "query timed out"), "it gave up (query timed out)"),
        (success(), "a request duration metric"),
        (
            success({"metric": {"__name__": "prometheus_http_request_duration_seconds_count"}}),
            "a request duration metric",
        ),
        (success({"metric": {"__name__": "http.server.duration_count"}}), "a request duration metric"),
        (
            success({"metric": {"__name__": "sqlalchemy_query_duration_seconds_count"}}),
            "a request duration metric",
        ),
        (None, "no connection"),
    ],
)
def test_every_failure_says_what_it_is(answer, says):
    with Scripted(only(answer)) as server, pytest.raises(Unavailable) as caught:
        series(server.url, WINDOW)
    assert says in caught.value.missing + caught.value.remedy
    assert "\n" not in caught.value.missing
    assert caught.value.remedy


def test_no_traffic_is_told_apart_from_no_metric():
    def answer(path, query):
        if "query_range" in path:
            return success({"metric": {}, "values": [[WINDOW.start_s, "NaN"]]})
        return healthy(path, query)

    with Scripted(answer) as server, pytest.raises(Unavailable, match="requests in http_request"):
        series(server.url, WINDOW)


def test_a_bomb_and_a_flood_stop_at_the_cap(monkeypatch):
    monkeypatch.setattr(prom_http, "MAX_BYTES", 1 << 20)
    bomb = (200, {"Content-Encoding": "gzip"}, gzip.compress(b" " * 50_000_000))
    for answer in (bomb, (200, {}, b" " * 3_000_000)):
        with Scripted(only(answer)) as server, pytest.raises(Unavailable, match="exceeds 1 MiB"):
            series(server.url, WINDOW)


def test_a_server_that_hangs_or_sends_drop_by_drop_is_given_up(monkeypatch):
    monkeypatch.setattr(prom_http, "DEADLINE_S", 0.3)
    release = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not release.wait(0.02):
                connection.sendall(b" ")

    for behave in (drip, lambda listener: release.wait(20)):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            release.clear()
            thread = threading.Thread(target=behave, args=(listener,), daemon=True)
            thread.start()
            with pytest.raises(Unavailable, match="no answer in time"):
                series(f"http://127.0.0.1:{listener.getsockname()[1]}", WINDOW)
            release.set()
            thread.join(10)


def test_nobody_listens_and_no_such_host():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable, match="no connection"):
        series(f"http://127.0.0.1:{port}", WINDOW)


@pytest.mark.parametrize(
    "url", ["", "prometheus:9090", "ftp://x", "http://", "http://x:99999", "http://a\r\nb", "http://[::1"]
)
def test_what_is_no_address(url):
    with pytest.raises(BadUsage):
        series(url, WINDOW)


def sets(*rows: str) -> list[dict[str, str]]:
    return [dict(part.split("=", 1) for part in f"__name__={row}".split()) for row in rows]


@pytest.mark.parametrize(
    ("found", "service", "path", "metric", "equal"),
    [
        (["request_duration_seconds_count", "http_request_duration_seconds_count"],
         "", "", "http_request_duration_seconds", {}),
        (["flask_http_request_duration_seconds_count path=/a",
          "flask_http_request_duration_seconds_count path=/b"],
         "", "/b", "flask_http_request_duration_seconds", {"path": "/b"}),
        (["http_server_request_duration_seconds_count service_name=Web",
          "http_request_duration_seconds_count job=other"],
         "web", "", "http_server_request_duration_seconds", {"service_name": "Web"}),
        (["http_request_duration_seconds_count job=one"], "two", "", "http_request_duration_seconds", {}),
    ],
)  # fmt: skip
def test_the_metric_is_chosen_by_service_path_and_name(found, service, path, metric, equal):
    source = choose(sets(*found), service, path, "here")
    assert (source.metric, source.equal) == (metric, equal)


def test_without_a_path_probes_do_not_dilute_the_mean():
    source = choose(sets("http_request_duration_seconds_count route=/a"), "", "", "here")
    assert source.without == {"route": promql.PROBES}


def test_an_unknown_service_among_several_is_not_guessed():
    with pytest.raises(Unavailable, match="there are one, two"):
        choose(
            sets("http_request_duration_seconds_count job=one", "http_request_duration_seconds_count job=two"),
            "x",
            "",
            "h",
        )


# --- against a real Prometheus ---


class Exporter:
    """A /metrics page of two routes with known means: `/a` 50 ms, then 200 ms; `/health` 1 ms, often."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        names = ["handler", "note"]
        edges = (0.01, 0.1, 0.25, 1.0)
        self.durations = Histogram("http_request_duration_seconds", "x", names, buckets=edges, registry=self.registry)
        Counter("other", "x", registry=self.registry)
        registry = self.registry

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = generate_latest(registry)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def serve(self, seconds: float, duration_s: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.durations.labels("/a", 'quote " and \\ and \n line').observe(duration_s)
            for _ in range(5):
                self.durations.labels("/health", "").observe(0.001)
            time.sleep(0.05)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Iterator[tuple[str, Window]]:
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("no prometheus binary on PATH (Debian: apt-get install prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    exporter = Exporter()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: web, static_configs: [{{targets: ['127.0.0.1:{exporter.port}']}}]}}]\n"
    )
    command = [
        binary,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "GOMAXPROCS": "1"}
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{url}/-/ready", timeout=1).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        exporter.serve(1.5, 0.05)  # a counter's first sample has no rate
        start = time.time()
        exporter.serve(12, 0.05)
        exporter.serve(12, 0.2)
        yield url, Window(start_s=start, end_s=time.time())
    finally:
        process.terminate()
        process.wait(20)
        exporter.stop()


@pytest.mark.lab
def test_real_means_of_a_route(real):
    url, window = real
    found = series(url, window, service="web", path="/a")
    assert found.step_s == 1
    assert found.points[10].mean_s == pytest.approx(0.05, rel=0.02)
    assert found.points[-1].mean_s == pytest.approx(0.2, rel=0.02)
    assert 0.1 < found.points[-1].p99_s <= 0.25
    assert found.points[-1].requests_per_s == pytest.approx(20, rel=0.25)
    assert found.warnings == ()


@pytest.mark.lab
def test_real_means_of_all_routes_leave_probes_out(real):
    url, window = real
    assert series(url, window).points[-1].mean_s == pytest.approx(0.2, rel=0.02)


@pytest.mark.lab
def test_real_time_without_data_is_no_metric(real):
    url, window = real
    old = Window(start_s=window.start_s - 86_400, end_s=window.end_s - 86_400)
    with pytest.raises(Unavailable, match="a request duration metric"):
        series(url, old)


@pytest.mark.lab
def test_real_parser_sees_one_selector_with_the_value(real):
    """The server's own parser and matcher judge: each crafted value matches itself and nothing else."""
    url, window = real
    api = prometheus_api.Api(url)
    note = 'quote " and \\ and \n line'
    assert len(api.instant(promql.selector("http_request_duration_seconds_count", {"note": note}), window.end_s)) == 1
    crafted = [
        note + "x",
        '"} or up{job="web',
        '"}) or vector(1) #',
        "\\",
        '\\\\"',
        "\x00",
        "\x7f",
        "\u2028",
        "\ud800",
        "{{",
        "`",
    ]
    crafted += [chr(code) + '"' for code in range(1, 256)]
    for value in crafted:
        assert api.instant(promql.selector("up", {"job": value}), window.end_s) == []


@pytest.mark.lab
def test_real_bad_query_is_told(real):
    url, window = real
    with pytest.raises(Unavailable, match="it refused 'sum"):
        prometheus_api.Api(url).instant("sum(", window.end_s)
