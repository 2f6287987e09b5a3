from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line
from unslow.evidence.cache import Cache

DATABASE = line("db query", "SELECT sum(x) FROM t", 60.0)


def cache(hits: float, misses: float, lifetime_hits: float = 0.0, lifetime_s: float = 0.0) -> Cache:
    return Cache(
        address="127.0.0.1:6379",
        version="7",
        seconds=10.0,
        hits=hits,
        misses=misses,
        lifetime_hits=lifetime_hits,
        lifetime_s=lifetime_s,
    )


def test_every_look_up_misses() -> None:
    finds("cache_cold", 60.0, account=account(DATABASE), cache=cache(0, 200))


def test_nobody_asks_any_more() -> None:
    found = finds("cache_cold", 60.0, account=account(DATABASE), cache=cache(0, 0, lifetime_hits=6000, lifetime_s=300))
    assert "no longer asked" in found.title


def test_just_under_half_miss() -> None:
    is_clear("cache_cold", account=account(DATABASE), cache=cache(101, 99))


def test_misses_that_cost_nothing() -> None:
    is_clear("cache_cold", account=account(line("db query", "SELECT 1", 3.0)), cache=cache(0, 200))


def test_a_slow_query_behind_a_warm_cache() -> None:
    is_clear("cache_cold", account=account(DATABASE), cache=cache(190, 10))
