"""Native histograms, from a real Prometheus that scrapes them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collect.real_prometheus import PROTOBUF, native, page, prometheus
from unslow.collect import prom_native
from unslow.collect.prom_assess import assess
from unslow.collect.prometheus import series
from unslow.collect.prometheus_api import Api
from unslow.evidence.window import Window

METRIC = "http_request_duration_seconds"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Each second: 60 requests of 0.25 to 0.5 s and 40 of 1 to 2 s on /a; 10 of 2 to 4 s on /b."""
    begun = time.monotonic()

    def body() -> bytes:
        n = int(time.monotonic() - begun) + 1
        first = native(METRIC, {"handler": "/a"}, 100 * n, 0.8 * 100 * n, -1, [60 * n, 0, 40 * n])
        second = native(METRIC, {"handler": "/b"}, 10 * n, 3.0 * 10 * n, 2, [10 * n])
        return first + second

    folder = tmp_path_factory.mktemp("prometheus")
    with (
        page(body, PROTOBUF) as port,
        prometheus(folder, port, "--enable-feature=native-histograms") as made,
    ):
        api = Api(made)
        for _ in range(200):
            if api.instant(f"histogram_count(rate({METRIC}[4s])) > 0", time.time()):
                break
            time.sleep(0.2)
            api = Api(made)
        else:
            pytest.fail("nothing was scraped: " + (folder / "log").read_text()[-300:])
        time.sleep(6)
        yield made


def test_found_among_candidates(address: str) -> None:
    found = prom_native.named(Api(address), '{__name__=~".*_seconds"}', ("__name__", "handler"), time.time())
    assert {(one["__name__"], one["handler"]) for one in found if one["__name__"].startswith("http")} == {
        (f"{METRIC}_count", "/a"),
        (f"{METRIC}_count", "/b"),
    }


def test_assessed_by_route(address: str) -> None:
    slow, fast = assess(Api(address), METRIC, "handler", time.time(), over_s=5, native=True)
    assert (slow.group, fast.group) == ("/b", "/a")
    assert slow.mean == pytest.approx(3.0, rel=0.01)
    assert fast.mean == pytest.approx(0.8, rel=0.01)
    p50, p95, p99 = fast.quantiles
    assert p50 is not None
    assert 0.25 < p50 <= 0.5
    assert p95 is not None
    assert p99 is not None
    assert 1.0 < p95 < p99 <= 2.0


def test_a_series_over_time(address: str) -> None:
    now = time.time()
    found = series(address, Window(start_s=now - 5, end_s=now), path="/a")
    assert "histogram_sum" in found.query
    known = [point for point in found.points if point.mean_s is not None]
    assert known
    assert known[-1].mean_s == pytest.approx(0.8, rel=0.01)
    assert known[-1].p99_s is not None
    assert 1.0 < known[-1].p99_s <= 2.0


def test_a_server_without_them_is_no_error(tmp_path: Path) -> None:
    with page(lambda: b"http_request_seconds 1\n", "text/plain") as port, prometheus(tmp_path, port) as made:
        api = Api(made)
        for _ in range(100):
            if api.instant("http_request_seconds", time.time()):
                break
            time.sleep(0.2)
            api = Api(made)
        assert prom_native.named(api, '{__name__="http_request_seconds"}', ("__name__",), time.time()) == []
