from __future__ import annotations

import pytest

from tests.checks.cluster import pod, timed
from unslow.evidence.cluster import Latency, Pod, RouteLatency
from unslow.measure.cluster_pods import fresh, outlier


def test_what_the_mean_would_save() -> None:
    slow = outlier([timed("a", 20.0, 100.0), timed("b", 20.0, 100.0), timed("c", 120.0, 200.0)])
    assert slow is not None
    assert (slow.by, slow.name, slow.others, slow.share) == ("pod", "c", 2, 0.5)
    assert slow.cost_s == pytest.approx(0.050)


def test_others_are_pooled_by_requests() -> None:
    slow = outlier([timed("a", 10.0, 900.0), timed("b", 20.0, 100.0), timed("c", 120.0)])
    assert slow is not None
    assert slow.others_s == pytest.approx(0.011)


def test_a_zone_that_is_slow_throughout_is_named_in_place_of_its_pods() -> None:
    far = [timed(name, 100.0, zone="far", node=name) for name in ("c", "d")]
    slow = outlier([timed("a", 20.0), timed("b", 20.0), *far])
    assert slow is not None
    assert (slow.by, slow.name, slow.pods) == ("zone", "far", ("c", "d"))


def test_a_zone_with_one_slow_pod_is_not_slow() -> None:
    far = [timed("c", 300.0, zone="far"), timed("d", 20.0, zone="far")]
    slow = outlier([timed("a", 20.0), timed("b", 20.0), *far])
    assert slow is not None
    assert slow.name == "c"


@pytest.mark.parametrize("mean_ms", [20.0, 29.0])
def test_twins(mean_ms: float) -> None:
    assert outlier([timed("a", 20.0), timed("b", mean_ms)]) is None


def test_a_few_milliseconds_are_nothing() -> None:
    assert outlier([timed("a", 2.0), timed("b", 6.0)]) is None


def test_few_requests_say_nothing() -> None:
    assert outlier([timed("a", 20.0), timed("b", 200.0, 14.0)]) is None


def test_pods_of_the_last_minute() -> None:
    some = [timed("a", 1.0, ready_since_s=939.0), timed("b", 1.0, ready_since_s=941.0)]
    assert [pod.name for pod in fresh(some, 1000.0)] == ["b"]


def mixed(name: str, slow_requests: float, slow_ms: float = 3000.0) -> Pod:
    """Mostly quick requests, and some of a route that takes long."""
    routes = (
        RouteLatency(route="GET /list", requests=100.0, mean_s=0.02),
        RouteLatency(route="GET /report", requests=slow_requests, mean_s=slow_ms / 1e3),
    )
    requests = sum(one.requests for one in routes)
    mean_s = sum(one.requests * one.mean_s for one in routes) / requests
    return pod(name, latency=Latency(requests=requests, mean_s=mean_s, routes=routes))


def test_more_of_a_slow_route_is_no_slow_pod() -> None:
    assert outlier([mixed("a", 10.0), mixed("b", 10.0), mixed("c", 40.0)]) is None


def test_slower_in_the_same_route() -> None:
    slow = outlier([mixed("a", 20.0), mixed("b", 20.0), mixed("c", 20.0, 6000.0)])
    assert slow is not None
    assert slow.name == "c"
    assert slow.mean_s - slow.others_s == pytest.approx(3.0 * 20 / 120)


def test_without_routes_of_one_all_are_taken_for_alike() -> None:
    slow = outlier([mixed("a", 10.0), timed("b", 300.0), timed("c", 900.0)])
    assert slow is not None
    assert slow.name == "c"
