"""Against a real Prometheus that holds days of a workload written down beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.collect.backfilled import END_S, Series, knowing, rising, series, steady
from unslow.collect.prom_workload import Owner, found, past
from unslow.collect.prometheus_api import Api
from unslow.errors import Unavailable
from unslow.measure.onset import onset_s

SHOP = Owner(namespace="market", kind="Deployment", name="shop")
POD, TWIN = "shop-7d9f8c6b5d-x2x4z", "shop-7d9f8c6b5d-k8k9q"
LATE_S, EARLY_S = 1800.0, 12 * 3600.0
"""Before the end: when the one became slow, and the other."""


def slowed(per_s: float, before_s: float, after_s: float, since_s: float) -> Callable[[float], float]:
    """A counter of seconds: so much for each of `per_s` requests, and since then so much."""
    return lambda ago_s: (
        1e6 - per_s * (after_s * min(ago_s, since_s) + before_s * max(0.0, ago_s - since_s))
    )  # backwards from the end


def timer(
    name: str, per_s: float, before_s: float, after_s: float, since_s: float = LATE_S, unit: float = 1.0, **labels: str
) -> Series:
    seconds = slowed(per_s, before_s * unit, after_s * unit, since_s)
    return {**series(f"{name}_count", rising(per_s), **labels), **series(f"{name}_sum", seconds, **labels)}


HTTP, MESH = "http_request_duration_seconds", "istio_request_duration_milliseconds"
MARKET = {"namespace": "market"}
HELD: Series = {
    **timer(HTTP, 2, 0.05, 0.25, path="/items", pod=POD, **MARKET),
    **timer(HTTP, 2, 0.05, 0.15, path="/items", pod=TWIN, **MARKET),
    **timer(HTTP, 1, 0.03, 0.03, path="/items/<id>", pod=POD, **MARKET),
    **timer(HTTP, 9, 0.001, 0.001, path="/health", pod=POD, **MARKET),
    **timer(HTTP, 50, 7.0, 7.0, path="/items", pod="shop-admin-7d9f8c6b5d-x2x4z", **MARKET),
    **timer(HTTP, 50, 7.0, 7.0, path="/items", pod=POD, namespace="other"),
    **timer("http_client_request_duration_seconds", 50, 7.0, 7.0, pod=POD, **MARKET),
    **timer(MESH, 4, 0.06, 0.26, EARLY_S, 1e3, pod="cart-0", destination_workload="cart", reporter="destination", **MARKET),
    **timer(MESH, 8, 9.0, 9.0, EARLY_S, 1e3, pod="cart-0", destination_workload="shop", reporter="source", **MARKET),
    **timer("request_processing_seconds", 3, 0.02, 0.08, pod="mail-0", exported_namespace="market"),
    **series("up", steady(1.0), pod="plain-0", **MARKET),
}  # fmt: skip


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    with knowing(folder, HELD, seconds=26 * 3600.0, step_s=60.0) as address:
        yield Api(address)


def test_latency_of_the_workload_alone_and_when_it_rose(api: Api) -> None:
    seen = past(api, SHOP, "/items", END_S)
    onset = onset_s(seen.series)
    assert onset == pytest.approx(END_S - LATE_S, abs=300)
    means = {point.at_s: point.mean_s for point in seen.series.points}
    assert means[END_S - 3600] == pytest.approx(0.05, rel=0.02)
    assert means[END_S] == pytest.approx(0.20, rel=0.02)
    rate = seen.series.points[-1].requests_per_s
    assert rate == pytest.approx(4.0, rel=0.02)
    assert seen.series.step_s == 60.0


def test_each_pod_has_its_own_mean(api: Api) -> None:
    by_pod = past(api, SHOP, "/items", END_S).by_pod
    assert set(by_pod) == {POD, TWIN}
    assert by_pod[POD].mean_s == pytest.approx(0.25, rel=0.02)
    assert by_pod[TWIN].mean_s == pytest.approx(0.15, rel=0.02)
    assert by_pod[POD].requests == pytest.approx(240, rel=0.02)


def test_a_path_is_found_by_the_route_that_it_is_one_of(api: Api) -> None:
    seen = past(api, SHOP, "/items/7", END_S)
    assert seen.series.points[-1].mean_s == pytest.approx(0.03, rel=0.02)
    assert onset_s(seen.series) is None


def test_all_routes_together_are_no_reference_for_one(api: Api) -> None:
    with pytest.raises(Unavailable) as refused:
        past(api, SHOP, "/carts", END_S)
    assert "/health, /items, /items/<id>" in refused.value.missing


def test_without_a_path_probes_do_not_dilute_the_mean(api: Api) -> None:
    seen = past(api, SHOP, "", END_S)
    assert seen.series.points[-1].mean_s == pytest.approx((2 * 0.25 + 2 * 0.15 + 0.03) / 5, rel=0.02)


def test_a_mesh_counts_at_the_end_that_serves_and_a_day_is_looked_back_where_three_hours_show_nothing(api: Api) -> None:
    cart = Owner(namespace="market", kind="StatefulSet", name="cart")
    source = found(api, cart, "/", END_S)
    assert source.equal == {"namespace": "market", "reporter": "destination"}
    seen = past(api, cart, "/", END_S)
    assert onset_s(seen.series) == pytest.approx(END_S - EARLY_S, abs=1200)
    assert seen.series.points[-1].mean_s == pytest.approx(0.26, rel=0.02)


def test_a_timer_without_routes_stands_for_all_paths(api: Api) -> None:
    mail = Owner(namespace="market", kind="StatefulSet", name="mail")
    assert found(api, mail, "/send", END_S).metric == "request_processing_seconds"
    seen = past(api, mail, "/send", END_S)
    assert seen.series.points[-1].mean_s == pytest.approx(0.08, rel=0.02)
    assert set(seen.by_pod) == {"mail-0"}


def test_who_has_no_timer_is_told_what_to_do(api: Api) -> None:
    with pytest.raises(Unavailable) as refused:
        past(api, Owner(namespace="market", kind="StatefulSet", name="plain"), "/", END_S)
    assert "market/plain" in refused.value.missing
    assert "others in its namespace have one" in refused.value.missing
    assert "namespace and pod" in refused.value.remedy
