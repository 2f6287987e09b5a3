from __future__ import annotations

from tests.checks.verbs import account, is_clear, line


def test_waiting_by_design_is_told_and_not_blamed() -> None:
    outcome = is_clear("long_poll", account=account(line("wait", "updates (app.py)", 4000.0), now_ms=4010.0))
    assert "4000.0 ms of 4010.0 ms" in outcome.because


def test_a_route_that_does_not_wait() -> None:
    assert "0.0 ms" in is_clear("long_poll", account=account(line("db query", "SELECT 1", 90.0))).because


def test_a_pool_is_not_a_wait_by_design() -> None:
    assert "0.0 ms" in is_clear("long_poll", account=account(line("db pool wait", "pool", 90.0))).because
