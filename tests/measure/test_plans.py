from __future__ import annotations

from typing import Any

import pytest

from unslow.measure.plans import cost, whole_scans
from unslow.measure.tables import Column, Name, Table, quoted

PARCEL = Table(("public", "parcel"), 1_000_000, {"id": Column("bigint"), "owner": Column("integer")})
SHOP = Table(("public", "shop"), 500, {"id": Column("integer")})
TABLES: dict[Name, Table] = {PARCEL.name: PARCEL, SHOP.name: SHOP}


def node(kind: str, rows: float, *below: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"Node Type": kind, "Plan Rows": rows, "Total Cost": 10.0, "Plans": list(below)} | {
        name.replace("_", " "): value for name, value in more.items()
    }


def seq_scan(rows: float, table: str = "parcel", alias: str = "", **more: object) -> dict[str, Any]:
    return node("Seq Scan", rows, Relation_Name=table, Schema="public", Alias=alias or table, **more)


def explained(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"Plan": plan}]


def test_a_scan_with_a_selective_filter() -> None:
    [scan] = whole_scans(explained(seq_scan(50, Filter="(owner = $1)")), TABLES)
    assert (scan.table, scan.rows, scan.kept_ratio) == (PARCEL.name, 1_000_000, 5e-5)
    assert cost(explained(seq_scan(50))) == 10.0


def test_what_was_returned_speaks_louder_than_the_planners_guess() -> None:
    plan = explained(node("Sort", 333_333, seq_scan(333_333, Filter="(sent > $1)")))
    assert whole_scans(plan, TABLES)[0].kept_ratio == pytest.approx(1 / 3, rel=1e-3)
    assert whole_scans(plan, TABLES, rows_per_call=20.0)[0].kept_ratio == pytest.approx(2e-5)


def test_rows_returned_by_an_aggregate_say_nothing_of_the_filter() -> None:
    plan = explained(node("Aggregate", 1, seq_scan(333_333, Filter="(sent > $1)")))
    assert whole_scans(plan, TABLES, rows_per_call=1.0)[0].kept_ratio == pytest.approx(1 / 3, rel=1e-3)


def test_a_small_table_is_left_alone() -> None:
    assert whole_scans(explained(seq_scan(1, "shop", Filter="(id = $1)")), TABLES) == ()


def test_an_unknown_table_is_left_alone() -> None:
    assert whole_scans(explained(seq_scan(1, "elsewhere")), TABLES) == ()


def test_an_index_scan_is_no_whole_scan_unless_it_only_filters() -> None:
    names = {"Relation_Name": "parcel", "Schema": "public", "Alias": "parcel"}
    assert whole_scans(explained(node("Index Scan", 10, Index_Cond="(id = $1)", Filter="x", **names)), TABLES) == ()
    [scan] = whole_scans(explained(node("Index Scan", 10, Filter="(owner = $1)", **names)), TABLES)
    assert scan.kept_ratio == 1e-5


@pytest.mark.parametrize(("workers", "rows"), [(1, 850.0), (2, 1200.0), (4, 2000.0)])
def test_rows_of_parallel_workers_are_put_together(workers: int, rows: float) -> None:
    """The planner divides by 1.7, 2.4 and 4: the leader helps less the more workers there are."""
    plan = node("Gather", 0, seq_scan(500, Parallel_Aware=True, Filter="x"), Workers_Planned=workers)
    assert whole_scans(explained(plan), TABLES)[0].kept_ratio == pytest.approx(rows / 1_000_000)


def test_limit_without_order_stops_early() -> None:
    assert whole_scans(explained(node("Limit", 10, seq_scan(1_000_000))), TABLES) == ()
    assert whole_scans(explained(node("Limit", 10, seq_scan(300_000, Filter="common"))), TABLES) == ()


def test_limit_with_a_rare_match_reads_on() -> None:
    [scan] = whole_scans(explained(node("Limit", 1, seq_scan(2, Filter="rare"))), TABLES)
    assert scan.kept_ratio == 2e-6


def test_limit_above_a_sort_reads_all_and_keeps_the_page() -> None:
    plan = explained(node("Limit", 100_000, node("Sort", 1_000_000, seq_scan(1_000_000))))
    [scan] = whole_scans(plan, TABLES, rows_per_call=20.0)
    assert scan.kept_ratio == 2e-5
    assert whole_scans(plan, TABLES)[0].kept_ratio == 0.1


def test_limit_above_a_hash_reads_all() -> None:
    plan = node(
        "Limit", 1, node("Hash Join", 1000, seq_scan(500, "shop"), node("Hash", 1_000_000, seq_scan(1_000_000)))
    )
    assert [scan.table for scan in whole_scans(explained(plan), TABLES)] == [PARCEL.name]


def test_a_join_that_leaves_few_rows() -> None:
    plan = node("Hash Join", 30, seq_scan(1_000_000), node("Hash", 3, seq_scan(3, "shop")))
    [scan] = whole_scans(explained(plan), TABLES)
    assert scan.joined
    assert scan.kept_ratio == 3e-5


def test_a_join_that_keeps_all() -> None:
    plan = node("Hash Join", 1_000_000, seq_scan(1_000_000), node("Hash", 500, seq_scan(500, "shop")))
    [scan] = whole_scans(explained(plan), TABLES)
    assert not scan.joined
    assert scan.kept_ratio == 1.0


def test_partitions_are_added_up_under_their_parent() -> None:
    visit = Table(("public", "visit"), 40_000, {"shop": Column("integer")})
    tables: dict[Name, Table] = {("public", name): visit for name in ("visit", "visit_1", "visit_2")}
    parts = [seq_scan(10, f"visit_{n}", f"visit_{n}", Filter="(shop = $1)") for n in (1, 2)]
    [scan] = whole_scans(explained(node("Append", 20, *parts)), tables)
    assert (scan.table, scan.alias, scan.kept_ratio) == (visit.name, "visit", 20 / 40_000)


def test_two_uses_of_one_table_are_two_scans() -> None:
    plan = node("Hash Join", 50, seq_scan(1_000_000, alias="a"), node("Hash", 5, seq_scan(5, alias="b")))
    scans = whole_scans(explained(plan), TABLES)
    assert [(scan.alias, scan.kept_ratio) for scan in scans] == [("a", 5e-5), ("b", 5e-6)]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("parcel", "parcel"), ("Parcel", '"Parcel"'), ("user", '"user"'), ('a"b', '"a""b"'), ("a b", '"a b"')],
)
def test_identifiers(name: str, shown: str) -> None:
    assert quoted(name) == shown


def test_public_is_not_shown() -> None:
    assert (PARCEL.shown, PARCEL.full) == ("parcel", "public.parcel")
    assert Table(("ware", "item"), 1, {}).shown == "ware.item"
