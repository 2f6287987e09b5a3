from __future__ import annotations

from tests.checks.cluster import container, pod, pods
from tests.checks.verbs import account, finds, is_clear, line
from unslow.checks import all_checks
from unslow.evidence.cluster import Mesh
from unslow.finding import Skipped

PODS = pods(pod("a", container(), container(name="istio-proxy", sidecar=True)))
SLOW = account(line("mesh", "istio proxies", 40.0))


def mesh(mean_ms: float | None = 40.0, **changes: object) -> Mesh:
    mean_s = None if mean_ms is None else mean_ms / 1e3
    return Mesh(kind="istio", proxy_mean_s=mean_s, proxy_requests=500.0, **changes)  # type: ignore[arg-type]


def test_proxies_that_take_forty_milliseconds() -> None:
    found = finds("mesh_overhead", 40.0, pods=PODS, mesh=mesh(proxy_cores=0.1, proxy_limit_cores=0.1), account=SLOW)
    assert "take 40.0 ms a request over 500 requests" in found.because
    assert "0.10 of its 0.10 cores" in found.because


def test_a_throttled_proxy_is_a_lead_without_milliseconds() -> None:
    assert (
        finds("mesh_overhead", 0.0, pods=PODS, mesh=mesh(None, proxy_throttled_ratio=0.5), account=account()).confidence
        < 0.5
    )


def test_the_callers_wait_for_proxies_that_our_own_requests_never_met() -> None:
    found = finds("mesh_overhead", 0.0, pods=PODS, mesh=mesh(40.0), account=account(line("cpu code", "f", 80.0)))
    assert "went around them" in found.because
    assert found.confidence == 0.5


def test_few_requests_or_few_milliseconds_that_went_around() -> None:
    split = account(line("cpu code", "f", 80.0))
    is_clear("mesh_overhead", pods=PODS, mesh=mesh(9.0), account=split)
    few = Mesh(kind="istio", proxy_mean_s=0.04, proxy_requests=5.0)
    is_clear("mesh_overhead", pods=PODS, mesh=few, account=split)


def test_a_millisecond_or_two() -> None:
    is_clear("mesh_overhead", pods=PODS, mesh=mesh(2.0), account=account(line("mesh", "istio proxies", 2.0)))


def test_a_proxy_that_waits_for_a_slow_application() -> None:
    is_clear("mesh_overhead", pods=PODS, mesh=mesh(1.0, proxy_cores=0.02), account=account(line("cpu code", "f", 80.0)))


def test_proxies_that_nobody_scrapes() -> None:
    assert isinstance(all_checks()["mesh_overhead"](pods=PODS, mesh=mesh(None)), Skipped)
    assert all_checks()["mesh_overhead"](pods=PODS) == Skipped("mesh")


def test_no_mesh_at_all() -> None:
    is_clear("mesh_overhead", pods=pods(pod("a")))
