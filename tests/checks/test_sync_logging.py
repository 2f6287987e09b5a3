from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line


def test_a_handler_that_blocks() -> None:
    finds("sync_logging", 45.0, account=account(line("log", "emit (logging/__init__.py)", 45.0)))


def test_ordinary_logging() -> None:
    is_clear("sync_logging", account=account(line("log", "emit (logging/__init__.py)", 5.0)))


def test_a_lock_of_the_application() -> None:
    is_clear("sync_logging", account=account(line("lock", "reserve (app.py)", 60.0)))
