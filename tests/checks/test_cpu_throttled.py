from __future__ import annotations

from tests.checks.cluster import container, pod, pods, timed, usage
from tests.checks.verbs import account, cpu, finds, is_clear, line
from unslow.checks import all_checks
from unslow.evidence.cluster import Pod, Pods, Usage
from unslow.finding import Skipped

WAITING = line("cpu throttled", "waiting for the next CPU quota period", 50.0)


def test_a_quota_that_stops_the_threads() -> None:
    throttled = cpu(limit_cores=0.5, periods=120, throttled_periods=60)
    finds("cpu_throttled", 60.0, account=account(WAITING, line("gil", "the lock", 10.0)), cpu=throttled)


def test_one_period_in_twenty_one() -> None:
    is_clear("cpu_throttled", account=account(WAITING), cpu=cpu(limit_cores=0.5, periods=210, throttled_periods=10))


def test_no_limit() -> None:
    is_clear("cpu_throttled", account=account(WAITING), cpu=cpu())


def test_the_interpreters_lock_without_throttling() -> None:
    quiet = cpu(limit_cores=2.0, periods=120, throttled_periods=0)
    is_clear("cpu_throttled", account=account(line("gil", "the lock", 60.0)), cpu=quiet)


def limited(periods: int, throttled: int, **changes: object) -> Pods:
    counted = Usage(cores=0.45, cfs_periods=periods, cfs_throttled_periods=throttled)
    return pods(pod("a", container(usage=counted, cpu_limit_cores=0.5, **changes)), pod("b"))


def test_a_container_that_its_limit_stops() -> None:
    found = finds("cpu_throttled", 50.0, account=account(WAITING), pods=limited(600, 300))
    assert "300 of 600 periods throttled at 0.45 of 0.50 cores; 1 of 2 pods" in found.because


def test_severe_throttling_is_said_where_nobody_looked_inside() -> None:
    assert finds("cpu_throttled", 0.0, account=account(), pods=limited(600, 300)).confidence < 0.7
    stopped = cpu(limit_cores=0.1, periods=60, throttled_periods=20)
    assert finds("cpu_throttled", 0.0, account=account(), cpu=stopped).confidence < 0.7


def test_severe_throttling_of_something_that_requests_do_not_wait_for() -> None:
    explained = account(line("db query", "q", 90.0))
    is_clear("cpu_throttled", account=explained, pods=limited(600, 300))
    is_clear("cpu_throttled", account=explained, cpu=cpu(limit_cores=0.1, periods=60, throttled_periods=20))


def test_a_pod_at_forty_percent_of_its_limit_can_be_throttled() -> None:
    calm = usage(cores=0.2, cfs_periods=600, cfs_throttled_periods=150)
    busy = pods(pod("a", container(usage=calm, cpu_limit_cores=0.5)))
    assert "0.20 of 0.50 cores" in finds("cpu_throttled", 50.0, account=account(WAITING), pods=busy).because


def test_some_throttling_that_nobody_waits_for() -> None:
    is_clear("cpu_throttled", account=account(), pods=limited(600, 60))


def test_only_the_sidecar_is_stopped() -> None:
    is_clear("cpu_throttled", account=account(), pods=limited(600, 300, sidecar=True))


def test_use_at_the_limit_where_nobody_counted_periods() -> None:
    at_limit = pods(pod("a", container(usage=usage(cores=0.069), cpu_limit_cores=0.07)))
    assert "uses 0.069 of 0.070 cores" in finds("cpu_throttled", 0.0, account=account(), pods=at_limit).because
    below = pods(pod("a", container(usage=usage(cores=0.05), cpu_limit_cores=0.07)))
    assert all_checks()["cpu_throttled"](account=account(), pods=below) == Skipped("throttling")


def test_counters_that_were_not_read() -> None:
    check = all_checks()["cpu_throttled"]
    assert check(account=account(), pods=pods(pod("a", container(cpu_limit_cores=0.5)))) == Skipped("throttling")
    is_clear("cpu_throttled", account=account(), pods=pods(pod("a")))
    assert check(account=account()) == Skipped("cpu")


STOPS = {"limit_cores": 1.0, "periods": 150, "throttled_periods": 20, "seconds": 15.0, "request_threads": 10}


def test_stops_too_short_for_the_waiting_for_the_lock() -> None:
    lock = line("gil", "the lock", 60.0)
    short = cpu(**STOPS, throttled_s=0.4, gil_wait_mean=2.0)
    is_clear("cpu_throttled", account=account(lock), cpu=short)
    long = cpu(**STOPS, throttled_s=2.0, gil_wait_mean=2.0)
    finds("cpu_throttled", 60.0, account=account(lock), cpu=long)


def test_the_only_pod_that_stands_still_is_slow_for_it() -> None:
    twins = pods(stopped("a", 25.0, 2.0), stopped("b", 30.0, 2.0), stopped("c", 500.0, 24.0))
    beyond = account(WAITING, line("slow pod", "pod c, beyond its twins", 290.0))
    finds("cpu_throttled", 340.0, account=beyond, pods=twins)


def test_a_pod_that_stands_still_no_more_than_its_twins_is_slow_for_another_reason() -> None:
    twins = pods(stopped("a", 25.0, 24.0), stopped("b", 30.0, 24.0), stopped("c", 500.0, 24.0))
    finds("cpu_throttled", 50.0, account=account(WAITING, line("slow pod", "pod c", 290.0)), pods=twins)


def stopped(name: str, mean_ms: float, stopped_s: float) -> Pod:
    """Of 60 s."""
    counted = Usage(cores=0.03, cfs_periods=600, cfs_throttled_periods=300, cfs_throttled_s=stopped_s)
    return timed(name, mean_ms, containers=(container(usage=counted, cpu_limit_cores=0.06),))
