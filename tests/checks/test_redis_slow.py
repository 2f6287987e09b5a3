from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line
from unslow.evidence.cache import BigKey, Cache, Command


def test_requests_wait_for_the_cache() -> None:
    blocked = Cache(
        address="127.0.0.1:6379",
        version="7",
        seconds=10.0,
        hits=100,
        misses=1,
        commands=(Command(name="keys", calls=20, exec_s=1.6),),
        big_keys=(BigKey(key="report:#", type="string", bytes=8_000_000),),
    )
    found = finds("redis_slow", 60.0, account=account(line("cache", "GET", 60.0)), cache=blocked)
    assert "keys takes 80.0 ms a call" in found.because


def test_an_ordinary_look_up() -> None:
    is_clear("redis_slow", account=account(line("cache", "GET", 9.0)))


def test_quick_misses() -> None:
    is_clear("redis_slow", account=account(line("cache", "GET", 1.0), line("db query", "SELECT 1", 60.0)))
