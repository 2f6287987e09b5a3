from __future__ import annotations

from tests.checks.cluster import stopped_dependency
from tests.checks.verbs import account, finds, is_clear, line, peer, sockets


def test_the_database_dominates() -> None:
    found = finds("slow_query", 60.0, account=account(line("db query", "SELECT sum(x) FROM t", 60.0)))
    assert found.confidence < 0.5


def test_an_ordinary_query() -> None:
    is_clear("slow_query", account=account(line("db query", "SELECT 1", 24.0)))


def test_a_slow_cache_is_not_a_slow_database() -> None:
    is_clear("slow_query", account=account(line("cache", "redis", 60.0)))


def test_a_database_that_its_quota_stops() -> None:
    slow = account(line("db query", "SELECT sum(x) FROM t", 60.0))
    called = sockets(peer("postgresql", name="store"))
    found = finds("slow_query", 60.0, account=slow, sockets=called, services=stopped_dependency("store", 0.5))
    assert "store-1 behind it is stopped by its CPU limit in 50% of its periods" in found.because
    other = finds("slow_query", 60.0, account=slow, sockets=called, services=stopped_dependency("mail", 0.5))
    assert "CPU limit" not in other.because
