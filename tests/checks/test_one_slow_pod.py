from __future__ import annotations

import pytest

from tests.checks.cluster import container, node, nodes, pod, pods, timed, usage
from tests.checks.verbs import account, finds, is_clear, line
from unslow.checks import all_checks
from unslow.finding import Skipped

SLOW = pods(timed("a", 20.0), timed("b", 22.0), timed("c", 200.0, node="node-b"))
COST_MS = (200.0 - 21.0) / 3


def test_one_pod_in_three_costs_its_share_of_the_mean() -> None:
    found = finds("one_slow_pod", COST_MS, pods=SLOW, account=account(line("slow pod", "pod c", COST_MS)))
    assert "pod c" in found.title
    assert "alone on node node-b" in found.because


def test_it_takes_from_whatever_its_requests_did() -> None:
    split = account(line("db query", "q", 60.0), line("cpu code", "f", 20.0))
    found = finds("one_slow_pod", COST_MS, pods=SLOW, account=split)
    by_line = {claim.line: claim.ms for claim in found.claims}
    assert by_line["db query: q"] == pytest.approx(3 * by_line["cpu code: f"])


def test_the_account_of_the_slow_pod_itself_holds_all_of_its_slowness() -> None:
    its_own = pods(*SLOW.pods, looked_into="c")
    finds("one_slow_pod", 179.0, pods=its_own, account=account(line("db query", "q", 190.0)))


def test_the_account_of_a_healthy_twin_holds_none_of_it() -> None:
    finds("one_slow_pod", 0.0, pods=pods(*SLOW.pods, looked_into="a"), account=account(line("cpu code", "f", 20.0)))


def test_a_whole_node_is_named_before_its_pods() -> None:
    both = pods(
        timed("a", 20.0),
        timed("b", 22.0),
        timed("c", 200.0, node="node-b", zone=""),
        timed("d", 210.0, node="node-b", zone=""),
    )
    assert finds("one_slow_pod", pods=both).title.startswith("node node-b")


def test_a_full_node_under_the_slow_pod_is_the_surer_cause() -> None:
    full = nodes(node(used_cores=0.5), node("node-b", used_cores=4.0))
    assert (
        finds("one_slow_pod", pods=SLOW, nodes=full, account=account(line("slow pod", "pod c", 60.0))).confidence < 0.6
    )


def test_a_quota_that_stops_the_slow_pod_alone_is_the_surer_cause() -> None:
    counted = usage(cfs_periods=600, cfs_throttled_periods=300, cfs_throttled_s=24.0)
    starved = timed("c", 200.0, containers=(container(usage=counted, cpu_limit_cores=0.06),))
    beyond = account(line("slow pod", "pod c", 60.0))
    assert finds("one_slow_pod", pods=pods(*SLOW.pods[:2], starved), account=beyond).confidence < 0.6


def test_a_third_slower() -> None:
    is_clear("one_slow_pod", pods=pods(timed("a", 20.0), timed("b", 22.0), timed("c", 28.0)))


def test_a_handful_of_requests() -> None:
    is_clear("one_slow_pod", pods=pods(timed("a", 20.0), timed("b", 22.0), timed("c", 200.0, requests=8.0)))


def test_all_pods_slow_alike() -> None:
    is_clear("one_slow_pod", pods=pods(timed("a", 200.0), timed("b", 220.0), timed("c", 210.0)))


def test_a_single_pod_has_no_twin() -> None:
    is_clear("one_slow_pod", pods=pods(timed("a", 200.0)))


def test_pods_that_nobody_timed() -> None:
    assert isinstance(all_checks()["one_slow_pod"](pods=pods(pod("a"), pod("b"))), Skipped)
