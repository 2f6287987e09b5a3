from __future__ import annotations

import pytest

from tests.checks.cluster import container, pods, timed, usage
from tests.checks.verbs import cpu, profile, sockets
from tests.evidences import evidence
from unslow.evidence import Evidence
from unslow.evidence.cluster import Cluster, Mesh, Pod
from unslow.evidence.requests import RouteTimer, Timers
from unslow.measure.cluster_parts import cluster_parts
from unslow.measure.part import Part
from unslow.measure.quantities import Estimate

IN_APP = Estimate(0.200, 0.002, 100)
PROXIES = Mesh(kind="istio", proxy_mean_s=0.030, proxy_requests=400.0)
TIMERS = Timers(url="", metric="", routes=(RouteTimer(route="/things", count=100.0, sum_s=20.0),))


def parts(*some: Pod, outside_s: float = 0.0, mesh: Mesh | None = None, **sections: object) -> dict[str, float]:
    whole: Evidence = evidence(cluster=Cluster(pods=pods(*some), mesh=mesh), **sections)
    found: tuple[Part, ...] = cluster_parts(whole, IN_APP, outside_s)
    return {part.kind: round(part.seconds, 4) for part in found}


def stopped(name: str, mean_ms: float, seconds: float, requests: float = 400.0) -> Pod:
    counted = usage(cfs_periods=100, cfs_throttled_periods=100, cfs_throttled_s=seconds)
    return timed(name, mean_ms, requests, containers=(container(usage=counted),))


def test_requests_stand_still_with_their_container() -> None:
    assert parts(stopped("a", 200.0, 5.0)) == {"cpu throttled": 0.1}


def test_pods_are_weighed_by_their_requests() -> None:
    assert parts(stopped("a", 200.0, 5.0, 300.0), timed("b", 190.0, 100.0)) == {"cpu throttled": 0.075}


def test_one_pod_that_its_quota_stops_is_not_slow_for_another_reason_too() -> None:
    found = parts(stopped("a", 400.0, 9.0), timed("b", 40.0), timed("c", 40.0))
    assert found == {"cpu throttled": 0.12}


def test_a_slow_pod_costs_the_mean_its_share() -> None:
    assert parts(timed("a", 500.0), timed("b", 50.0), timed("c", 50.0)) == {"slow pod": 0.15}


def test_an_account_of_one_pod_has_its_own_slowness_or_none() -> None:
    twins = (timed("a", 180.0), timed("b", 50.0), timed("c", 50.0))
    for name, expected in (("a", {"slow pod": 0.13}), ("b", {})):
        whole = evidence(cluster=Cluster(pods=pods(*twins, looked_into=name)))
        found = cluster_parts(whole, IN_APP, 0.0)
        assert {part.kind: round(part.seconds, 4) for part in found} == expected


def test_pods_that_had_just_started() -> None:
    fresh = timed("a", 500.0, ready_since_s=999.0)
    old = [timed(name, 50.0, ready_since_s=10.0) for name in ("b", "c")]
    assert parts(fresh, *old) == {"cold start": 0.15}


def test_never_more_than_the_time_in_the_application() -> None:
    assert parts(stopped("a", 900.0, 9.0)) == {"cpu throttled": 0.2}


def test_what_the_kernel_timed_is_not_estimated_again() -> None:
    timed_by_kernel = {
        "cpu": cpu(seconds=10.0, request_run_s=2.0, request_delay_s=12.0),
        "timers": TIMERS,
    }
    assert "cpu throttled" not in parts(stopped("a", 200.0, 5.0), **timed_by_kernel)


def test_who_waits_before_a_container_that_stands_still_waits_for_its_quota() -> None:
    still, half = stopped("a", 200.0, 8.0), stopped("a", 200.0, 4.0)
    whole = cluster_parts(evidence(cluster=Cluster(pods=pods(still)), timers=TIMERS), IN_APP, 5.0)
    assert [round(part.seconds, 3) for part in whole] == [0.16, 4.0]
    assert {part.kind for part in whole} == {"cpu throttled"}
    assert parts(half, timers=TIMERS, outside_s=5.0) == {"cpu throttled": 0.08}
    assert parts(still, timers=TIMERS, outside_s=5.0, sockets=sockets()) == {"cpu throttled": 0.16}


def test_a_profile_knows_the_inside_better() -> None:
    seen = profile((("view /srv/app.py",), "run", 1.0))
    assert parts(stopped("a", 200.0, 5.0), profile=seen) == {}


def test_proxies_are_outside_of_an_application_that_times_itself() -> None:
    seen = profile((("view /srv/app.py",), "run", 1.0))
    assert parts(mesh=PROXIES, profile=seen, timers=TIMERS, outside_s=0.5) == {"mesh": 0.03}
    assert parts(mesh=PROXIES, profile=seen, timers=TIMERS, outside_s=0.01) == {"mesh": 0.01}
    assert parts(mesh=PROXIES, profile=seen) == {}
    assert parts(mesh=PROXIES) == {"mesh": 0.03}


def test_no_cluster_no_parts() -> None:
    assert cluster_parts(evidence(), IN_APP, 1.0) == ()


def test_a_rough_part_says_so() -> None:
    whole = evidence(cluster=Cluster(pods=pods(stopped("a", 200.0, 5.0))))
    (part,) = cluster_parts(whole, IN_APP, 0.0)
    assert part.se_s == pytest.approx(0.4 * part.seconds)
