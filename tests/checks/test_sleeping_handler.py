from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line


def test_a_handler_that_sleeps() -> None:
    finds("sleeping_handler", 50.0, account=account(line("sleep", "view (app.py)", 50.0)))


def test_a_short_sleep() -> None:
    is_clear("sleeping_handler", account=account(line("sleep", "view (app.py)", 5.0)))


def test_a_poll_that_sleeps_for_seconds() -> None:
    is_clear("sleeping_handler", account=account(line("sleep", "updates (app.py)", 4000.0), now_ms=4100.0))
