from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checks.verbs import cpu, profile, requests, sockets
from tests.evidences import evidence
from unslow.evidence.requests import RouteTimer, Timers
from unslow.evidence.series import Point, Series
from unslow.measure.account import Account, account

IN_VIEW = (
    "handle_request /venv/lib/site-packages/gunicorn/workers/gthread.py",
    "wsgi_app /venv/lib/site-packages/flask/app.py",
    "view /srv/app.py",
)
IN_QUERY = (*IN_VIEW, "do_execute /venv/lib/site-packages/sqlalchemy/engine/default.py")


def whole(**sections: object) -> Account:
    result = account(evidence(**sections))
    assert result is not None
    return result


def assert_adds_up(result: Account) -> None:
    explained = sum(one.excess_s for one in result.lines) + result.unexplained_s
    assert explained == pytest.approx(result.excess_s, abs=1e-12)


def test_shares_of_the_stacks_become_milliseconds() -> None:
    result = whole(requests=requests(*[100.0] * 50), profile=profile((IN_QUERY, "io", 3.0), (IN_VIEW, "run", 1.0)))
    by_kind = {one.kind: one.now_s for one in result.lines}
    assert by_kind["db query"] == pytest.approx(0.075)
    assert by_kind["cpu code"] == pytest.approx(0.025)
    assert result.unexplained_s == pytest.approx(0.0, abs=1e-12)
    assert_adds_up(result)


def test_the_applications_own_timer_leaves_the_rest_unexplained() -> None:
    timers = Timers(url="u", metric="m", routes=(RouteTimer(route="/things", count=200, sum_s=200 * 0.070),))
    result = whole(requests=requests(*[100.0] * 50), profile=profile((IN_VIEW, "run", 1.0)), timers=timers)
    assert result.in_app.mean_s == pytest.approx(0.070)
    assert result.unexplained_s == pytest.approx(0.030)
    assert_adds_up(result)


def test_counters_that_fall_are_not_trusted() -> None:
    route = RouteTimer(route="/things", count=200, sum_s=200 * 0.070)
    timers = Timers(url="u", metric="m", routes=(route,), resets=3)
    assert whole(requests=requests(*[100.0] * 50), timers=timers).in_app.mean_s == pytest.approx(0.100)


def test_the_queue_is_littles_law() -> None:
    result = whole(requests=requests(*[100.0] * 50), sockets=sockets(queued=1.0, unread=0.2))
    assert result.excess_of("queue") == pytest.approx(1.2 / 20.0)
    assert_adds_up(result)


def test_without_a_profile_the_time_in_the_application_is_unexplained() -> None:
    result = whole(requests=requests(*[100.0] * 50))
    assert result.lines == ()
    assert result.unexplained_s == pytest.approx(0.100)


def test_without_any_response_time_there_is_no_account() -> None:
    assert account(evidence(sockets=sockets())) is None


def test_against_a_baseline_lines_may_shrink() -> None:
    baseline = evidence(requests=requests(*[40.0] * 50), profile=profile((IN_VIEW, "run", 1.0)))
    result = whole(
        requests=requests(*[100.0] * 50),
        profile=profile((IN_QUERY, "io", 9.0), (IN_VIEW, "run", 1.0)),
        reference=baseline,
    )
    assert result.excess_s == pytest.approx(0.060)
    assert result.excess_of("cpu code") == pytest.approx(0.010 - 0.040)
    assert result.excess_of("db query") == pytest.approx(0.090)
    assert_adds_up(result)


def test_the_time_before_an_onset_stands_as_one_line() -> None:
    points = tuple(Point(at_s=60.0 * i, mean_s=(0.02 if i < 60 else 0.12) + 0.0005 * (i % 3)) for i in range(120))
    result = whole(
        requests=requests(*[120.0] * 50),
        profile=profile((IN_QUERY, "io", 1.0)),
        series=Series(source="s", query="q", step_s=60.0, points=points),
    )
    assert result.before_s == pytest.approx(0.0205, abs=0.001)
    assert not result.has_reference, "the lines before are not known one by one"
    assert_adds_up(result)


def test_two_measures_of_the_time_in_the_application_that_disagree_are_said() -> None:
    busy = cpu(busy_mean=4.0)
    result = whole(
        requests=requests(*[100.0] * 50), profile=profile((IN_VIEW, "run", 1.0)), sockets=sockets(), cpu=busy
    )
    assert any("200.0 ms" in note for note in result.notes)


times = st.lists(st.floats(min_value=0.1, max_value=5000), min_size=2, max_size=30)
weights = st.floats(min_value=0.0, max_value=100)


@given(times, times, weights, weights, weights, st.floats(min_value=0, max_value=50))
def test_lines_and_unexplained_always_equal_the_excess(
    now: list[float], before: list[float], query: float, run: float, gil: float, queued: float
) -> None:
    stacks = profile((IN_QUERY, "io", query), (IN_VIEW, "run", run), (IN_VIEW, "gil", gil))
    baseline = evidence(requests=requests(*before), profile=stacks)
    assert_adds_up(whole(requests=requests(*now), profile=stacks, sockets=sockets(queued=queued), reference=baseline))
