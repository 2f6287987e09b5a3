from __future__ import annotations

from tests.checks.verbs import account, cpu, finds, is_clear, line

WAITING = line("cpu contended", "waiting for a free core", 50.0)


def test_no_idle_core() -> None:
    finds("cpu_contended", 50.0, account=account(WAITING), cpu=cpu(machine_busy_ratio=0.98))


def test_an_idle_core() -> None:
    is_clear("cpu_contended", account=account(WAITING), cpu=cpu(machine_busy_ratio=0.85))


def test_a_quota_is_not_a_neighbour() -> None:
    throttled = line("cpu throttled", "waiting for the next CPU quota period", 50.0)
    is_clear("cpu_contended", account=account(throttled), cpu=cpu(machine_busy_ratio=0.98))
