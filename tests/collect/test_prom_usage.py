"""A day of containers' use, in a real Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.collect.backfilled import END_S, Series, knowing, rising, series, steady
from unslow.collect import prom_usage
from unslow.collect.prometheus_api import Api
from unslow.errors import Unavailable

MIB = 2**20
HOUR_S = 3600.0


def used(pod: str, cores: Callable[[float], float], mib: float, container: str = "app") -> Series:
    by = {"namespace": "market", "pod": pod, "container": container}
    return {
        **series(prom_usage.CPU, cores, cpu="total", **by),
        **series(prom_usage.MEMORY, steady(mib * MIB), **by),
    }


def busy_for(hours: float, cores: float, idle: float) -> Callable[[float], float]:
    """Busy for the last hours, idle before."""
    return lambda ago_s: 1e6 - cores * min(ago_s, hours * HOUR_S) - idle * max(0.0, ago_s - hours * HOUR_S)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    found = {
        **used("shop-7cb777694b-w2lm9", busy_for(6.0, 0.8, 0.1), 300.0),
        **used("shop-5d77969f85-dh8xn", rising(0.2), 500.0),
        **used("shop-7cb777694b-w2lm9", rising(0.01), 40.0, container="istio-proxy"),
        **used("shop-admin-5d77969f85-dh8xn", rising(3.0), 4000.0),
        **used("web-0", rising(0.3), 100.0),
    }
    with knowing(tmp_path_factory.mktemp("prometheus"), found, seconds=26 * HOUR_S, step_s=60.0) as address:
        yield Api(address)


def test_the_busiest_pod_of_each_moment_over_a_day(api: Api) -> None:
    found = prom_usage.histories(api, "market", "Deployment", "shop", END_S)
    app = found["app"]
    assert app.cores_p95 == pytest.approx(0.8, rel=0.01)  # six hours of twenty-four are more than one in twenty
    assert app.cores_max == pytest.approx(0.8, rel=0.01)
    assert app.memory_max_bytes == 500 * MIB  # of the other pod
    assert app.looked_back_s == pytest.approx(24 * HOUR_S, rel=0.02)
    assert found["istio-proxy"].cores_p95 == pytest.approx(0.01, rel=0.05)


def test_a_workload_of_which_the_name_only_begins_so_is_another(api: Api) -> None:
    assert prom_usage.histories(api, "market", "Deployment", "shop-admin", END_S)["app"].memory_max_bytes == 4000 * MIB
    assert prom_usage.histories(api, "market", "StatefulSet", "web", END_S)["app"].cores_p95 == pytest.approx(0.3)


def test_what_was_never_scraped(api: Api) -> None:
    with pytest.raises(Unavailable, match="container_cpu_usage_seconds_total of market/none"):
        prom_usage.histories(api, "market", "Deployment", "none", END_S)
