from __future__ import annotations

import msgspec
import pytest

from tests.checks.verbs import account, line
from unslow.finding import Claim, Finding
from unslow.ranking import rank

QUEUE = line("queue", "waiting for a free worker", 80.0)
QUERY = line("db query", "SELECT 1", 60.0)


def finding(confidence: float, **claims: float) -> Finding:
    """`claims`: milliseconds by line kind, with `_` for a space."""
    ids = {"queue": QUEUE.id, "db_query": QUERY.id}
    return Finding(
        title="t",
        because="1 ms",
        confidence=confidence,
        claims=tuple(Claim(line=ids[kind], ms=ms) for kind, ms in claims.items()),
    )


def test_the_surer_finding_keeps_the_line() -> None:
    granted, explained = rank(
        {"slow_query": finding(0.4, db_query=60.0), "missing_index": finding(0.9, db_query=55.0)}, account(QUERY), None
    )
    assert [(one.check, round(one.ms)) for one in granted] == [("missing_index", 55)]
    assert explained[0].check == "slow_query"
    assert "missing_index" in explained[0].because


def test_no_millisecond_is_given_twice() -> None:
    findings = {name: finding(0.9, db_query=60.0) for name in ("a", "b", "c")}
    granted, _ = rank(findings, account(QUERY), None)
    assert sum(one.ms for one in granted) == pytest.approx(60.0)


def test_a_queue_belongs_to_what_keeps_the_workers_busy() -> None:
    findings = {"workers_saturated": finding(0.6, queue=80.0), "missing_index": finding(0.9, db_query=60.0)}
    granted, explained = rank(findings, account(QUEUE, QUERY, now_ms=70.0), utilization=0.95)
    assert [(one.check, round(one.ms)) for one in granted] == [("missing_index", 140)]
    assert [one.check for one in explained] == ["workers_saturated"]


def test_waiting_for_what_is_missing_stays_with_its_cause() -> None:
    missing = msgspec.structs.replace(finding(0.9, queue=80.0), keeps_waiting=True)
    granted, _ = rank(
        {"pods_pending": missing, "missing_index": finding(0.9, db_query=60.0)},
        account(QUEUE, QUERY, now_ms=70.0),
        utilization=0.95,
    )
    assert [(one.check, round(one.ms)) for one in granted] == [("pods_pending", 80), ("missing_index", 60)]


def test_a_doubtful_cause_comes_after_what_is_proven_to_be_missing() -> None:
    missing = msgspec.structs.replace(finding(0.9), keeps_waiting=True)
    findings = {"slow_query": finding(0.4, db_query=60.0), "pods_pending": missing}
    order = [one.check for one in rank(findings, account(QUERY), None)[0]]
    assert order == ["pods_pending", "slow_query"]
    grown = [one.check for one in rank(findings, account(QUERY, before_ms=10.0), None)[0]]
    assert grown == ["slow_query", "pods_pending"]


def test_a_sure_cause_with_milliseconds_comes_before_what_is_missing_without() -> None:
    missing = msgspec.structs.replace(finding(0.9), keeps_waiting=True)
    findings = {"missing_index": finding(0.9, db_query=60.0), "pods_pending": missing}
    assert rank(findings, account(QUERY), None)[0][0].check == "missing_index"


def test_workers_that_would_stay_busy_without_the_cause_keep_their_queue() -> None:
    findings = {"workers_saturated": finding(0.6, queue=80.0), "missing_index": finding(0.9, db_query=10.0)}
    granted, _ = rank(findings, account(QUEUE, QUERY, now_ms=200.0), utilization=1.0)
    assert granted[0].check == "workers_saturated"


def test_a_doubtful_cause_does_not_take_the_queue() -> None:
    findings = {"workers_saturated": finding(0.6, queue=80.0), "slow_query": finding(0.4, db_query=60.0)}
    granted, _ = rank(findings, account(QUEUE, QUERY, now_ms=70.0), utilization=0.95)
    assert [one.check for one in granted] == ["workers_saturated", "slow_query"]


def test_causes_are_sorted_worst_first() -> None:
    findings = {"a": finding(0.9, db_query=60.0), "b": finding(0.5, queue=80.0)}
    granted, _ = rank(findings, account(QUEUE, QUERY), None)
    assert [one.check for one in granted] == ["b", "a"]


def test_a_finding_without_milliseconds_comes_last_and_stays() -> None:
    granted, _ = rank({"a": finding(0.9, db_query=60.0), "metrics": finding(0.9)}, account(QUERY), None)
    assert [one.check for one in granted] == ["a", "metrics"]


def test_without_an_account_findings_keep_nothing() -> None:
    granted, _ = rank({"metrics": finding(0.9)}, None, None)
    assert granted[0].ms == 0.0
