from __future__ import annotations

import msgspec
import pytest

from tests.checks.verbs import queries, sockets, statement
from tests.evidences import evidence
from unslow.evidence.requests import RouteTimer, Timers
from unslow.evidence.window import Window
from unslow.measure.traffic import growth

WINDOW = Window(start_s=1000.0, end_s=1010.0)


def timers(start_s: float | None = 0.0, resets: int = 0) -> Timers:
    route = RouteTimer(route="/x", count=400, sum_s=1.0)
    before = RouteTimer(route="/x", count=20_000, sum_s=1.0)
    return Timers(url="u", metric="m", routes=(route,), lifetime=(before,), process_start_s=start_s, resets=resets)


def test_against_the_baseline() -> None:
    grown = growth(60.0, WINDOW, evidence(sockets=sockets()), None, None)
    assert grown is not None
    assert (grown.ratio, grown.certain) == (3.0, True)


def test_against_the_life_of_the_applications_counters() -> None:
    grown = growth(None, WINDOW, None, timers(), None)
    assert grown is not None
    assert grown.ratio == pytest.approx(2.0)


def test_against_the_life_of_the_databases_counters() -> None:
    busy = queries(statement("1", "SELECT 1", 600, 1.0, lifetime_calls=20_000.0), lifetime_s=1000.0)
    grown = growth(None, WINDOW, None, None, busy)
    assert grown is not None
    assert (grown.ratio, grown.certain) == (pytest.approx(3.0), False)


@pytest.mark.parametrize("page", [timers(start_s=None), timers(start_s=500.0), timers(resets=2), None])
def test_a_page_without_a_past_says_nothing(page: Timers | None) -> None:
    assert growth(None, WINDOW, None, page, None) is None


def test_a_database_without_a_past_says_nothing() -> None:
    young = queries(statement("1", "SELECT 1", 600, 1.0), lifetime_s=500.0)
    assert growth(None, WINDOW, None, None, young) is None
    assert growth(None, WINDOW, None, None, msgspec.structs.replace(young, statements=None)) is None


def test_after_no_traffic_at_all_nothing_is_a_surge() -> None:
    new = queries(statement("1", "SELECT 1", 600, 1.0, lifetime_calls=10.0), lifetime_s=1000.0)
    assert growth(None, WINDOW, None, None, new) is None
