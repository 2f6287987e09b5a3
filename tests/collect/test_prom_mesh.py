"""Istio's documented request metrics, recorded as text, in a real Prometheus."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.collect.backfilled import END_S, Series, knowing, rising, series
from unslow.collect import prom_mesh
from unslow.collect.prometheus_api import Api
from unslow.errors import Unavailable

TO = {"destination_workload": "shop", "destination_workload_namespace": "market"}


def caller(name: str, source_ms: float | None, destination_ms: float | None, per_s: float = 10.0) -> Series:
    found: dict[tuple[str, tuple[tuple[str, str], ...]], object] = {}
    for reporter, mean_ms in (("source", source_ms), ("destination", destination_ms)):
        if mean_ms is not None:
            by = {"reporter": reporter, "source_workload": name, "source_workload_namespace": "market", **TO}
            for code in ("200", "503"):
                found |= series(f"{prom_mesh.DURATION}_sum", rising(mean_ms * per_s / 2), response_code=code, **by)
                found |= series(f"{prom_mesh.DURATION}_count", rising(per_s / 2), response_code=code, **by)
            seen = "mutual_tls" if reporter == "destination" else "unknown"
            found |= series(
                prom_mesh.REQUESTS, rising(per_s), connection_security_policy=seen, response_flags="-", **by
            )
    return found  # type: ignore[return-value]


def timed(folder: Path, *found: Series, workload: str = "shop") -> prom_mesh.Timed:
    everything: dict[tuple[str, tuple[tuple[str, str], ...]], object] = {}
    for one in found:
        everything |= one
    with knowing(folder, everything) as address:  # type: ignore[arg-type]
        return prom_mesh.timed(Api(address), "market", workload, END_S)


def test_the_difference_of_both_ends_is_the_meshs(tmp_path: Path) -> None:
    overflow = {"reporter": "source", "source_workload": "web", "response_flags": "UO", **TO}
    found = timed(
        tmp_path,
        caller("web", 60.0, 20.0, per_s=30.0),
        caller("cron", 24.0, 20.0, per_s=10.0),
        series(prom_mesh.REQUESTS, rising(0.5), **overflow),
        series(prom_mesh.RETRIES, rising(2.0), cluster_name="outbound|80||shop.market.svc.cluster.local"),
        series(prom_mesh.RETRIES, rising(9.0), cluster_name="outbound|80||shop.elsewhere.svc.cluster.local"),
    )
    assert found.proxy_mean_s == pytest.approx((0.040 * 3 + 0.004) / 4, rel=0.01)  # by their requests
    assert found.requests == pytest.approx(40.0 * 300, rel=0.02)
    assert found.mutual_tls == "STRICT"
    assert found.retries_per_s == pytest.approx(2.0)
    assert found.overflow_per_s == pytest.approx(0.5)


def test_a_slow_application_is_slow_on_both_ends(tmp_path: Path) -> None:
    found = timed(tmp_path, caller("web", 801.0, 800.0))
    assert found.proxy_mean_s == pytest.approx(0.001, rel=0.05)


def test_callers_outside_the_mesh_are_timed_by_one_end_only(tmp_path: Path) -> None:
    found = timed(tmp_path, caller("unknown", None, 20.0))
    assert found.proxy_mean_s is None
    assert found.requests == 0.0


def test_ends_that_counted_other_requests_are_not_compared() -> None:
    ends = {"source": prom_mesh.End(6000.0, 100.0), "destination": prom_mesh.End(4000.0, 200.0)}
    assert prom_mesh.between([ends]) == (None, 0.0)


def test_proxies_that_nobody_scrapes(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="istio_request_duration_milliseconds of market/other"):
        timed(tmp_path, caller("web", 60.0, 20.0), workload="other")
