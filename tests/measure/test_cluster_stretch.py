from __future__ import annotations

import pytest

from tests.checks.verbs import account, cpu, line
from unslow.evidence.cluster import Endpoint, Service, Services
from unslow.measure.cluster_stretch import is_beside, starved, without_core_ratio


def test_the_share_of_runnable_time_without_a_core() -> None:
    assert without_core_ratio(cpu(request_run_s=1.0, request_delay_s=3.0)) == pytest.approx(0.75)
    assert without_core_ratio(cpu(request_run_s=0.0, request_delay_s=0.0)) == without_core_ratio(None) == 0.0


@pytest.mark.parametrize(("places", "beside"), [(("a",), True), (("a", "b"), False), ((), False)])
def test_only_when_everything_called_is_there(places: tuple[str, ...], beside: bool) -> None:
    endpoints = tuple(Endpoint(address=place, node=place) for place in places)
    called = Service(name="db", namespace="market", role="dependency", endpoints=endpoints)
    target = Service(name="shop", namespace="market", endpoints=(Endpoint(address="9", node="c"),))
    assert is_beside(Services(services=(called, target)), ["a"]) is beside
    assert not is_beside(None, ["a"])


def test_measured_waiting_and_that_share_of_the_calls() -> None:
    split = account(line("cpu contended", "w", 10.0), line("cache", "c", 20.0), line("cpu code", "f", 50.0))
    assert {one.line: one.ms for one in starved(split, 0.5)} == pytest.approx(
        {"cpu contended: w": 10.0, "cache: c": 10.0}
    )
    assert starved(split, 0.0) == starved(None, 0.9) == ()
