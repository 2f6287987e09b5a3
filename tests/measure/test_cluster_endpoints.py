from __future__ import annotations

from unslow.evidence.cluster import Endpoint, Service, ServicePort
from unslow.measure.cluster_endpoints import coverage, misrouted


def service(**changes: object) -> Service:
    return Service(name="shop", namespace="market", **changes)  # type: ignore[arg-type]


def test_a_pod_on_two_address_families_is_one_pod() -> None:
    both = service(endpoints=(Endpoint(address="10.0.0.1", pod="a"), Endpoint(address="fd00::1", pod="a")))
    assert (coverage(both, None).ready, coverage(both, None).wanted) == (1, 1)


def test_pods_that_leave_are_not_wanted() -> None:
    rolling = service(endpoints=(Endpoint(address="1", pod="a"), Endpoint(address="2", pod="b", terminating=True)))
    cover = coverage(rolling, 1)
    assert (cover.ready, cover.wanted, cover.serving_while_terminating, cover.is_few) == (1, 1, 1, False)


def test_none_of_none_is_not_few() -> None:
    assert not coverage(service(), 0).is_few
    assert coverage(service(), 1).is_few


def test_where_it_leads() -> None:
    assert misrouted(service(selector=(("app", "x"),), selects=0)) == "the selector app=x matches 0 pods"
    assert "0 containers listen" in misrouted(service(ports=(ServicePort(port=80, target="http", matches=False),)))
    assert misrouted(service(selector=(("app", "x"),), ports=(ServicePort(port=80, target="http"),))) == ""
