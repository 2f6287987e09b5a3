from __future__ import annotations

import pytest

from unslow.evidence.requests import RouteTimer, Timers
from unslow.measure.routes import route_timer


def timers(*routes: str) -> Timers:
    return Timers(
        url="u",
        metric="m",
        routes=tuple(RouteTimer(route=route, count=2.0, sum_s=1.0, buckets=((1.0, 2.0),)) for route in routes),
    )


@pytest.mark.parametrize("route", ["/things", "/things/"])
def test_the_path_itself(route: str) -> None:
    found = route_timer(timers(route, "/other"), "/things")
    assert found is not None
    assert found.count == 2.0


@pytest.mark.parametrize("route", ["/things/<int:id>", "/things/{id}", "/things/:id"])
def test_placeholders(route: str) -> None:
    assert route_timer(timers(route), "/things/7") is not None
    assert route_timer(timers(route), "/things/7/parts") is None


def test_series_of_one_route_are_added_up() -> None:
    found = route_timer(timers("/things", "/things"), "/things")
    assert found is not None
    assert (found.count, found.buckets) == (4.0, ((1.0, 4.0),))


def test_one_timer_for_everything() -> None:
    assert route_timer(timers(""), "/things") is not None


def test_no_match() -> None:
    assert route_timer(timers("/other"), "/things") is None
    assert route_timer(timers("/other", ""), "/things") is None
    assert route_timer(None, "/things") is None
