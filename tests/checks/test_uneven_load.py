from __future__ import annotations

from tests.checks.cluster import pod, pods, timed
from tests.checks.verbs import account, finds, is_clear, line, requests
from unslow.checks import all_checks
from unslow.evidence.cluster import Endpoint, Service, Services
from unslow.finding import Skipped

QUEUE = account(line("queue", "waiting for a free worker", 60.0))


def test_callers_that_keep_their_connections() -> None:
    pinned = pods(
        timed("a", 20.0, 900.0, open_connections=18.0),
        timed("b", 20.0, 60.0, open_connections=1.0),
        timed("c", 20.0, 40.0, open_connections=1.0),
    )
    found = finds("uneven_load", 60.0, pods=pinned, account=QUEUE)
    assert "40 to 900 requests per pod" in found.because
    assert "18 of 20 open connections" in found.because


def test_hints_that_keep_traffic_in_a_zone() -> None:
    zoned = pods(timed("a", 20.0, 900.0), timed("b", 20.0, 60.0, zone="zone-b"), timed("c", 20.0, 60.0, zone="zone-b"))
    service = Service(
        name="shop", namespace="market", endpoints=(Endpoint(address="10.0.0.1", zone_hints=("zone-a",)),)
    )
    found = finds("uneven_load", 60.0, pods=zoned, services=Services(services=(service,)), account=QUEUE)
    assert "zone zone-a has 1 of 3 pods" in found.because


def test_a_third_more_than_the_others() -> None:
    is_clear("uneven_load", pods=pods(timed("a", 20.0, 500.0), timed("b", 20.0, 350.0), timed("c", 20.0, 350.0)))


def test_a_busy_pod_that_is_slower_is_a_lead_without_a_measured_queue() -> None:
    finds("uneven_load", 0.0, pods=pods(timed("a", 30.0, 900.0), timed("b", 20.0, 60.0), timed("c", 20.0, 60.0)))
    is_clear("uneven_load", pods=pods(timed("a", 20.0, 900.0), timed("b", 20.0, 60.0), timed("c", 20.0, 60.0)))


def test_our_own_requests_to_one_pod() -> None:
    some = pods(timed("a", 30.0, 190.0), timed("b", 20.0, 60.0), timed("c", 20.0, 60.0), looked_into="a")
    finds("uneven_load", pods=some, account=QUEUE)
    is_clear("uneven_load", pods=some, requests=requests(*[20.0] * 120), account=QUEUE)


def test_few_requests_are_uneven_by_chance() -> None:
    is_clear("uneven_load", pods=pods(timed("a", 20.0, 12.0), timed("b", 20.0, 5.0), timed("c", 20.0, 4.0)))


def test_equal_load_with_one_slow_pod() -> None:
    is_clear("uneven_load", pods=pods(timed("a", 20.0), timed("b", 20.0), timed("c", 300.0)), account=QUEUE)


def test_pods_that_nobody_counted() -> None:
    assert isinstance(all_checks()["uneven_load"](pods=pods(pod("a"), pod("b"))), Skipped)
