"""The kubelets' readings by way of a real Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.collect.backfilled import END_S, Series, knowing, rising, series, steady
from unslow.collect import prom_containers
from unslow.collect.cluster_readings import usage
from unslow.collect.prometheus_api import Api
from unslow.errors import Unavailable


def container(pod: str, name: str, namespace: str = "market") -> Series:
    by = {"namespace": namespace, "pod": pod, "container": name, "id": "/x"}
    return {
        **series("container_cpu_usage_seconds_total", rising(0.2), cpu="total", **by),
        **series("container_cpu_usage_seconds_total", rising(0.1), cpu="cpu00", **by),
        **series("container_cpu_cfs_periods_total", rising(10.0), **by),
        **series("container_cpu_cfs_throttled_periods_total", rising(6.0), **by),
        **series("container_cpu_cfs_throttled_seconds_total", rising(0.4), **by),
        **series("container_memory_working_set_bytes", steady(1e8), **by),
    }


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    found = {
        **container("shop-1", "app"),
        **container("shop-1", "istio-proxy"),
        **container("shop-10", "app"),
        **container("shop-1", "app", namespace="elsewhere"),
    }
    with knowing(tmp_path_factory.mktemp("prometheus"), found) as address:
        yield Api(address)


def test_use_and_throttling_of_the_pods_that_were_asked_for(api: Api) -> None:
    found = usage("market", [], prom_containers.differences(api, "market", ["shop-1"], END_S))
    assert set(found) == {("shop-1", "app"), ("shop-1", "istio-proxy")}
    app = found["shop-1", "app"]
    assert app.cores == pytest.approx(0.2)  # all cores together, not the first beside them
    assert app.throttled_ratio == pytest.approx(0.6, rel=0.01)
    assert app.cfs_periods == pytest.approx(10 * 180, rel=0.1)
    assert app.memory_bytes == 10**8


def test_pods_that_nobody_scraped(api: Api) -> None:
    with pytest.raises(Unavailable, match="cAdvisor"):
        prom_containers.differences(api, "market", ["shop-2"], END_S)
