from __future__ import annotations

import pytest

from tests.checks.verbs import account, line
from unslow.measure.significance import claim, floor_s, is_excess, ms, total

POOL = line("db pool wait", "pool", 12.0)


def test_against_a_reference_a_tenth_of_the_response_time_counts() -> None:
    assert floor_s(account(now_ms=200.0, before_ms=100.0), normal=True) == pytest.approx(0.020)
    assert floor_s(account(now_ms=20.0, before_ms=10.0), normal=True) == pytest.approx(0.005)


def test_without_one_ordinary_kinds_must_dominate() -> None:
    assert floor_s(account(now_ms=200.0), normal=True) == pytest.approx(0.060)
    assert floor_s(account(now_ms=200.0), normal=False) == pytest.approx(0.030)
    assert floor_s(account(now_ms=20.0), normal=True) == pytest.approx(0.025)
    assert floor_s(account(now_ms=20.0), normal=False) == pytest.approx(0.010)


def test_behind_a_long_queue_the_holder_of_the_workers_is_still_seen() -> None:
    queue, pool = line("queue", "waiting for a free worker", 1500.0), line("db pool wait", "pool", 230.0)
    behind = account(queue, pool, now_ms=1850.0)
    assert floor_s(behind, normal=False) == pytest.approx(0.0525)
    assert is_excess(behind, (pool,), normal=False)
    assert not is_excess(account(queue, POOL, now_ms=1850.0), (POOL,), normal=False)


def test_an_excess_within_its_sampling_error_is_none() -> None:
    assert is_excess(account(now_ms=50.0), (POOL,), normal=False)
    uncertain = line("db pool wait", "pool", 12.0, error_ms=7.0)
    assert not is_excess(account(now_ms=50.0), (uncertain,), normal=False)


def test_lines_that_shrank_are_not_claimed() -> None:
    assert claim(account(), (line("cache", "x", 1.0, 5.0),)) == ()


def test_waiting_for_a_core_is_shared_by_the_lines_of_its_kind() -> None:
    first, second = line("db query", "a", 30.0), line("db query", "b", 10.0)
    waiting = line("cpu contended", "waiting (db query)", 8.0, detail="db query")
    claims = {one.line: one.ms for one in claim(account(first, second, waiting), (first,))}
    assert claims == {first.id: pytest.approx(30.0), waiting.id: pytest.approx(6.0)}


def test_words() -> None:
    assert ms(0.0123) == "12.3 ms"
    assert total((POOL, POOL)) == pytest.approx(0.024)
