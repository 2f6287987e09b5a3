from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear
from unslow.checks import all_checks
from unslow.evidence.deploys import Change, Deploys
from unslow.evidence.series import Point, Series
from unslow.finding import Skipped

ONSET_S = 3600.0


def series() -> Series:
    """An hour at 20 ms, then half an hour at 120 ms, a point a minute."""
    points = tuple(
        Point(at_s=60.0 * i, mean_s=(0.020 if 60.0 * i < ONSET_S else 0.120) + 0.001 * (i % 3)) for i in range(90)
    )
    return Series(source="test", query="", step_s=60.0, points=points)


def deploys(at_s: float) -> Deploys:
    return Deploys(changes=(Change(at_s=at_s, what="file written", where="app.py"),), looked_back_s=7200.0)


def test_a_change_just_before_the_onset() -> None:
    finds("recently_deployed", account=account(before_ms=20.0), series=series(), deploys=deploys(ONSET_S - 180))


def test_a_change_twenty_minutes_before() -> None:
    is_clear("recently_deployed", account=account(before_ms=20.0), series=series(), deploys=deploys(ONSET_S - 1200))


def test_a_change_after_the_onset() -> None:
    is_clear("recently_deployed", account=account(before_ms=20.0), series=series(), deploys=deploys(ONSET_S + 300))


def test_an_unknown_onset_is_said() -> None:
    assert isinstance(all_checks()["recently_deployed"](account=account(), deploys=deploys(0.0)), Skipped)
