from __future__ import annotations

from tests.checks.cluster import pods, timed, workload
from tests.checks.verbs import account, finds, is_clear, line
from unslow.checks import all_checks
from unslow.evidence.cluster import Change as ClusterChange
from unslow.evidence.cluster import Changes, Revision, Workload
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


def flat(points: int) -> Series:
    known = tuple(Point(at_s=60.0 * i, mean_s=0.020 + 0.001 * (i % 3)) for i in range(points))
    return Series(source="store", query="", step_s=60.0, points=known)


def test_a_change_without_a_rise_is_told_apart_from_one_that_cannot_show_yet() -> None:
    outcome = is_clear("recently_deployed", account=account(), series=flat(90), deploys=deploys(1200.0))
    assert outcome.because == "latency has not risen in the 89 min that store knows"
    low, high = [0.020] * 15, [0.120] * 15
    again = tuple(Point(at_s=60.0 * i, mean_s=mean) for i, mean in enumerate([*low, *high, *high, *low, *high]))
    as_before = all_checks()["recently_deployed"](
        account=account(), series=Series(source="store", query="", step_s=60.0, points=again), deploys=deploys(3600.0)
    )
    assert isinstance(as_before, Skipped)
    assert "as high before" in as_before.missing
    unknown = all_checks()["recently_deployed"](account=account(), series=flat(5), deploys=deploys(100.0))
    assert isinstance(unknown, Skipped)
    assert "store holds more" in unknown.remedy


def rollout(at_s: float) -> Workload:
    new = Revision(number=7, at_s=at_s, changed=("image shop:1 -> shop:2",), who="deployer")
    return workload(revisions=(Revision(number=6, at_s=0.0), new), managed_by="argocd")


def test_a_rollout_just_before_the_onset() -> None:
    found = finds(
        "recently_deployed", account=account(before_ms=20.0), series=series(), workload=rollout(ONSET_S - 120)
    )
    assert "revision 7 (image shop:1 -> shop:2) by deployer" in found.because


def test_a_rollout_is_told_in_place_of_the_processes_that_it_started() -> None:
    known = {"series": series(), "workload": rollout(ONSET_S - 120), "account": account(before_ms=20.0)}
    assert "revision 7" in finds("recently_deployed", deploys=deploys(ONSET_S - 100), **known).because
    later = finds("recently_deployed", deploys=deploys(ONSET_S + 30), **{**known, "workload": rollout(ONSET_S - 400)})
    assert "file written" in later.because


def test_a_config_map_just_before_the_onset() -> None:
    edit = ClusterChange(at_s=ONSET_S - 60, what="key timeout changed", where="ConfigMap shop", who="alex")
    changed = Changes(changes=(edit,), looked_back_s=7200.0)
    found = finds("recently_deployed", account=account(before_ms=20.0), series=series(), changes=changed)
    assert found.place == "ConfigMap shop"


def test_a_rollout_of_yesterday() -> None:
    is_clear("recently_deployed", account=account(before_ms=20.0), series=series(), workload=rollout(0.0))


def test_new_pods_slower_than_the_old_beside_them() -> None:
    both = pods(timed("a", 20.0), timed("b", 120.0, version="v2", created_s=5000.0))
    found = finds(
        "recently_deployed", 50.0, account=account(line("sleep", "f", 100.0)), workload=rollout(5000.0), pods=both
    )
    assert "change it there" in found.next_steps[0]


def test_old_pods_slower_than_the_new_are_being_cured() -> None:
    both = pods(timed("a", 120.0), timed("b", 20.0, version="v2", created_s=5000.0))
    outcome = all_checks()["recently_deployed"](account=account(), workload=rollout(5000.0), pods=both)
    assert isinstance(outcome, Skipped)


def test_nothing_read() -> None:
    assert all_checks()["recently_deployed"](account=account()) == Skipped("deploys")
