from __future__ import annotations

from tests.checks.cluster import MIB, WINDOW, container, pod, pods
from tests.checks.verbs import account, finds, is_clear, line
from unslow.checks import all_checks
from unslow.evidence.cluster import Handler, NodePool, Pod, Provisioning, Start
from unslow.finding import Skipped

QUEUE = account(line("queue", "waiting for a free worker", 60.0))


def started(ago_s: float, **stages: float) -> Pod:
    """A pod that became ready so many seconds before the end of the window."""
    return pod("b", ready_since_s=WINDOW.end_s - ago_s, start=Start(**stages))  # type: ignore[arg-type]


def test_a_large_image() -> None:
    new = started(10.0, scheduling_s=1.0, pull_s=80.0, starting_s=4.0, pulled_bytes=2000 * MIB)
    found = finds("slow_cold_start", 60.0, pods=pods(pod("a"), new), window=WINDOW, account=QUEUE)
    assert "took 85 s" in found.because
    assert "2000 MiB" in found.next_steps[0]


def test_the_image_is_not_blamed_without_a_pull() -> None:
    new = started(10.0, scheduling_s=1.0, pull_s=0.0, starting_s=50.0)
    found = finds("slow_cold_start", pods=pods(pod("a"), new), window=WINDOW, account=QUEUE)
    assert "image" not in found.next_steps[0]


def test_a_queue_after_all_pods_were_ready_has_another_cause() -> None:
    new = started(300.0, scheduling_s=1.0, pull_s=80.0, starting_s=4.0)
    is_clear("slow_cold_start", pods=pods(pod("a"), new), window=WINDOW, account=QUEUE)


def test_slow_first_requests_of_new_pods() -> None:
    cold = account(line("cold start", "pods that had just started", 40.0))
    finds("slow_cold_start", 40.0, pods=pods(pod("a"), started(10.0, starting_s=5.0)), window=WINDOW, account=cold)


def test_consolidation_that_moves_pods_all_the_time() -> None:
    pool = NodePool(name="general", consolidation="WhenEmptyOrUnderutilized", disruptions_per_h=12.0)
    new = started(10.0, starting_s=50.0)
    found = finds("slow_cold_start", pods=pods(new), window=WINDOW, provisioning=Provisioning(pools=(pool,)))
    assert "12 nodes away an hour" in found.because


def test_a_pod_that_is_still_starting() -> None:
    coming = pod(
        "b", container(started_s=WINDOW.end_s - 45.0), ready=False, ready_since_s=None, created_s=WINDOW.end_s - 50.0
    )
    found = finds("slow_cold_start", 60.0, pods=pods(pod("a"), coming), window=WINDOW, account=QUEUE)
    assert "from start to ready 45.0 s" in found.because


def test_a_pod_that_says_it_is_not_ready_is_not_starting() -> None:
    said = Handler(kind="readiness", failures=9, message="Readiness probe failed: HTTP probe failed: statuscode: 404")
    for state, probe in (("running", said), ("CrashLoopBackOff", Handler(kind="readiness"))):
        stuck = pod(
            "b",
            container(started_s=WINDOW.end_s - 45.0, state=state, probes=(probe,)),
            ready=False,
            ready_since_s=None,
            created_s=WINDOW.end_s - 50.0,
        )
        is_clear("slow_cold_start", pods=pods(pod("a"), stuck), window=WINDOW, account=QUEUE)


def test_nineteen_seconds() -> None:
    is_clear("slow_cold_start", pods=pods(started(10.0, scheduling_s=1.0, pull_s=11.0, starting_s=7.0)), window=WINDOW)


def test_a_slow_start_an_hour_ago() -> None:
    is_clear("slow_cold_start", pods=pods(started(3600.0, pull_s=80.0)), window=WINDOW, account=QUEUE)


def test_a_start_whose_events_are_gone() -> None:
    new = pod("b", ready_since_s=WINDOW.end_s)
    assert isinstance(all_checks()["slow_cold_start"](pods=pods(new), window=WINDOW), Skipped)
