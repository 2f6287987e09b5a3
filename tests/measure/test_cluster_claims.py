from __future__ import annotations

import pytest

from tests.checks.verbs import account, line
from unslow.measure.cluster_claims import behind, bound_elsewhere, spread


def test_waiting_that_is_large_enough_is_claimed_whole() -> None:
    claims = behind(account(line("queue", "w", 40.0), line("cpu code", "f", 60.0)), "queue").claims
    assert [(claim.line, claim.ms) for claim in claims] == [("queue: w", 40.0)]


def test_waiting_that_is_too_small_is_said_and_not_claimed() -> None:
    small = behind(account(line("queue", "w", 5.0)), "queue")
    assert (small.claims, small.words) == ((), "only 5.0 ms a request of queue")


def test_what_nobody_measured() -> None:
    assert behind(None, "queue").words == behind(account(), "queue").words == "no milliseconds were measured for it"


def test_a_share_is_spread_in_proportion() -> None:
    claims = spread(account(line("a", "x", 30.0), line("b", "y", 60.0), line("c", "z", -5.0)), 0.045)
    assert {claim.line: claim.ms for claim in claims} == pytest.approx({"a: x": 15.0, "b: y": 30.0})


def test_never_more_than_there_is() -> None:
    assert sum(claim.ms for claim in spread(account(line("a", "x", 30.0)), 5.0)) == pytest.approx(30.0)
    assert spread(account(), 5.0) == ()
    assert spread(account(line("a", "x", 30.0)), 0.0) == ()


def test_a_service_that_waits_for_its_database() -> None:
    assert "db query" in bound_elsewhere(account(line("db query", "q", 51.0), line("queue", "w", 49.0)))
    assert bound_elsewhere(account(line("db query", "q", 49.0), line("queue", "w", 51.0))) == ""


def test_a_quick_call_that_is_most_of_a_quick_request_binds_nothing() -> None:
    assert bound_elsewhere(account(line("downstream", "c", 14.0), now_ms=20.0)) == ""
