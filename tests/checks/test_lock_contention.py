from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line


def test_threads_queue_for_a_lock() -> None:
    finds("lock_contention", 40.0, account=account(line("lock", "reserve (app.py)", 40.0)))


def test_a_short_critical_section() -> None:
    is_clear("lock_contention", account=account(line("lock", "reserve (app.py)", 4.0)))


def test_the_interpreters_lock() -> None:
    is_clear("lock_contention", account=account(line("gil", "waiting for the interpreter lock", 40.0)))
