from __future__ import annotations

import msgspec

from tests.checks.verbs import account, finds, is_clear, line, server, sockets
from tests.evidences import evidence
from unslow.checks import all_checks
from unslow.evidence.requests import RouteTimer, Timers
from unslow.evidence.series import Point, Series
from unslow.evidence.window import Window
from unslow.finding import Skipped

QUEUE = line("queue", "waiting for a free worker", 70.0)
WINDOW = Window(start_s=1000.0, end_s=1010.0)


def timers(now: float, lifetime: float) -> Timers:
    """Counts in the window of ten seconds, and in the thousand seconds before."""
    return Timers(
        url="http://127.0.0.1/metrics",
        metric="latency_seconds",
        routes=(RouteTimer(route="/x", count=now, sum_s=1.0),),
        lifetime=(RouteTimer(route="/x", count=lifetime, sum_s=1.0),),
        process_start_s=0.0,
    )


def test_three_times_the_usual_traffic() -> None:
    found = finds("traffic_surge", 70.0, account=account(QUEUE, rate=60.0), window=WINDOW, timers=timers(600, 20_000))
    assert "3.0 times" in found.title


def test_the_tide_of_a_day() -> None:
    is_clear("traffic_surge", account=account(QUEUE, rate=30.0), window=WINDOW, timers=timers(300, 20_000))


def test_more_traffic_that_is_served_at_once() -> None:
    is_clear("traffic_surge", account=account(rate=60.0), window=WINDOW, timers=timers(600, 20_000))


def test_without_a_past_nothing_is_said() -> None:
    outcome = all_checks()["traffic_surge"](account=account(QUEUE), window=WINDOW)
    assert isinstance(outcome, Skipped)


def test_a_rise_within_the_minute_that_the_kernel_remembers() -> None:
    remembered = msgspec.structs.replace(sockets(), closings_per_s=60.0, earlier_closings_per_s=15.0)
    found = finds("traffic_surge", 70.0, account=account(QUEUE, rate=60.0), window=WINDOW, sockets=remembered)
    assert "4.0 times" in found.title


def test_a_service_that_was_idle_a_minute_ago_has_no_past() -> None:
    started = msgspec.structs.replace(sockets(), closings_per_s=60.0, earlier_closings_per_s=0.2)
    assert isinstance(all_checks()["traffic_surge"](account=account(QUEUE), window=WINDOW, sockets=started), Skipped)


def test_where_the_slots_fell_by_more_the_traffic_is_not_the_cause() -> None:
    earlier = msgspec.structs.replace(
        evidence(server=server(workers=4, threads=4)), sockets=msgspec.structs.replace(sockets(), requests_per_s=30.0)
    )
    here = {"account": account(QUEUE, rate=60.0), "window": WINDOW, "reference": earlier}
    is_clear("traffic_surge", **here, server=server(workers=1, threads=1))
    finds("traffic_surge", 70.0, **here, server=server(workers=4, threads=4))


def over_time(*rates: float) -> Series:
    points = tuple(
        Point(at_s=60.0 * number, mean_s=0.02, requests_per_s=rate or None) for number, rate in enumerate(rates)
    )
    return Series(source="Prometheus", query="q", step_s=60.0, points=points)


def test_three_times_what_a_time_series_has_as_usual() -> None:
    risen = over_time(*[20.0] * 12, 60.0)
    found = finds("traffic_surge", 70.0, account=account(QUEUE, rate=5.0), window=WINDOW, series=risen)
    assert "60.0 requests/s now, 20.0 usual in the 12 min before" in found.because


def test_a_series_that_has_risen_little_or_is_always_that_high() -> None:
    for series in (over_time(*[20.0] * 12, 30.0), over_time(*[60.0] * 9, 20.0, 60.0)):
        is_clear("traffic_surge", account=account(QUEUE, rate=60.0), window=WINDOW, series=series)


def test_a_series_of_a_few_points_is_no_past() -> None:
    short = over_time(5.0, 60.0)
    outcome = all_checks()["traffic_surge"](account=account(QUEUE, rate=60.0), window=WINDOW, series=short)
    assert isinstance(outcome, Skipped)
