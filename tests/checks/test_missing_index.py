from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line, queries, statement
from unslow.evidence.queries import Plan

SLOW = statement("1", "SELECT * FROM parcel WHERE owner = $1", 200, 12.0)
ON_IT = line("db query", "SELECT * FROM parcel WHERE owner = $1", 60.0, detail="1")


def plan(**changes: object) -> Plan:
    normal: dict[str, object] = {
        "query_id": "1",
        "text": SLOW.text,
        "plan": "Seq Scan on parcel",
        "cost": 20_000.0,
        "scans": ("parcel",),
        "scanned_rows": 1e6,
        "kept_ratio": 0.0001,
        "index": "CREATE INDEX ON parcel (owner)",
    }
    return Plan(**(normal | changes))  # type: ignore[arg-type]


def test_a_scan_for_few_rows() -> None:
    found = finds("missing_index", 60.0, account=account(ON_IT), queries=queries(SLOW, plans=(plan(),)))
    assert found.next_steps[0] == "CREATE INDEX ON parcel (owner)"


def test_an_index_that_does_not_halve_the_cost() -> None:
    is_clear("missing_index", account=account(ON_IT), queries=queries(SLOW, plans=(plan(index_cost=10_001.0),)))


def test_a_report_that_needs_most_rows() -> None:
    is_clear("missing_index", account=account(ON_IT), queries=queries(SLOW, plans=(plan(kept_ratio=0.8),)))


def test_a_scan_that_takes_no_time() -> None:
    small = line("db query", ON_IT.place, 2.0, detail="1")
    is_clear("missing_index", account=account(small), queries=queries(SLOW, plans=(plan(),)))


def test_waiting_for_a_lock_is_not_scanning() -> None:
    is_clear(
        "missing_index", account=account(line("db lock wait", "a lock", 60.0)), queries=queries(SLOW, plans=(plan(),))
    )
