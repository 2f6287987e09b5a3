from __future__ import annotations

from tests.checks.verbs import account, cpu, finds, is_clear, line

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
