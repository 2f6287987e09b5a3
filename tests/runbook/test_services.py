"""What is wrong with a service, in words."""

from __future__ import annotations

from unslow.evidence.cluster import Endpoint, Service, ServicePort
from unslow.runbook.services import problems


def service(*ends: Endpoint, selects: int | None = None, matches: bool | None = True) -> Service:
    port = ServicePort(port=80, target="http", matches=matches)
    return Service(
        name="web", namespace="x", selector=(("app", "web"),), selects=selects, ports=(port,), endpoints=ends
    )


def test_all_is_well() -> None:
    assert problems(service(Endpoint(address="1"), Endpoint(address="2"), selects=2)) == []


def test_a_selector_that_matches_nothing() -> None:
    assert "app=web matches no pod" in problems(service(selects=0))[0]


def test_no_endpoint_is_ready() -> None:
    assert "none of 1 endpoints" in problems(service(Endpoint(address="1", ready=False), selects=1))[0]


def test_some_are_not_ready_and_terminating_ones_do_not_count() -> None:
    ends = (
        Endpoint(address="1"),
        Endpoint(address="2", ready=False),
        Endpoint(address="3", ready=False, terminating=True),
    )
    assert "1 of 2 endpoints are ready" in problems(service(*ends, selects=2))[0]


def test_a_port_that_no_container_has() -> None:
    assert "no container" in problems(service(Endpoint(address="1"), selects=1, matches=False))[0]
