from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line


def test_the_database_dominates() -> None:
    found = finds("slow_query", 60.0, account=account(line("db query", "SELECT sum(x) FROM t", 60.0)))
    assert found.confidence < 0.5


def test_an_ordinary_query() -> None:
    is_clear("slow_query", account=account(line("db query", "SELECT 1", 24.0)))


def test_a_slow_cache_is_not_a_slow_database() -> None:
    is_clear("slow_query", account=account(line("cache", "redis", 60.0)))
