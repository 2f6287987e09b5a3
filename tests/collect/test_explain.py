from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.collect import hostile
from tests.collect.postgres_server import Server, server
from unslow.collect.explain import explain
from unslow.collect.postgres import connect
from unslow.evidence.queries import Plan, Statement

__all__ = ["server"]
pytestmark = pytest.mark.lab


def statement(text: str, rows: float = 10.0, number: int = 1) -> Statement:
    return Statement(query_id=str(number), text=text, calls=1.0, exec_s=1.0, rows=rows)


def planned(server: Server, text: str, rows: float = 10.0) -> Plan:
    plans, notes = explain(lambda: connect(server.dsn()), [statement(text, rows)], 5.0)
    assert plans, notes
    return plans[0]


@pytest.fixture(scope="module")
def hypopg(server: Server) -> Iterator[Server]:
    with server.connect() as admin:
        found = admin.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'").fetchone()
        if found is None:
            pytest.skip(f"hypopg is not installed (Debian: postgresql-{server.version}-hypopg)")
        admin.execute("CREATE EXTENSION hypopg")
        yield server
        admin.execute("DROP EXTENSION hypopg")


def test_a_missing_index_by_the_planners_statistics(server: Server) -> None:
    plan = planned(server, "SELECT * FROM parcel WHERE owner = $1")
    assert plan.scans == ("parcel",)
    assert plan.scanned_rows == 200_000
    assert plan.kept_ratio == pytest.approx(10 / 200_000)
    assert plan.index == "CREATE INDEX ON parcel (owner)"
    assert plan.index_cost is None
    assert "Seq Scan on parcel" in plan.plan
    assert "owner = $1" in plan.plan


def test_a_missing_index_by_hypopg(hypopg: Server) -> None:
    plan = planned(hypopg, "SELECT * FROM parcel WHERE status = $1 ORDER BY sent DESC LIMIT $2")
    assert plan.index == "CREATE INDEX ON parcel (status, sent)"
    assert plan.index_cost is not None
    assert plan.index_cost < 0.2 * plan.cost
    with hypopg.connect() as connection:
        assert connection.execute("SELECT count(*) FROM pg_indexes WHERE tablename = 'parcel'").fetchone() == (2,)


def test_hypopg_sees_that_an_index_is_no_help(hypopg: Server) -> None:
    plan = planned(hypopg, "SELECT count(*) FROM parcel WHERE status = $1")
    assert plan.index_cost is not None
    assert plan.index_cost > 0.5 * plan.cost


def test_the_proposed_index_ends_the_scan(server: Server) -> None:
    with server.connect() as admin:
        text = "SELECT p.id, s.place FROM parcel p JOIN stop s ON s.parcel_id = p.id WHERE p.email = $1"
        proposed = planned(server, text, rows=1.0)
        assert proposed.scans == ("stop",)
        assert proposed.index == "CREATE INDEX ON stop (parcel_id)"
        admin.execute(proposed.index.encode())
        try:
            after = planned(server, text, rows=1.0)
        finally:
            admin.execute("DROP INDEX stop_parcel_id_idx")
    assert after.scans == ()
    assert after.index == ""
    assert after.cost < 0.1 * proposed.cost


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT * FROM small WHERE label = $1", 1.0),
        ("SELECT * FROM parcel WHERE id = $1", 1.0),
        ("SELECT * FROM parcel LIMIT $1", 10.0),
        ("SELECT * FROM parcel WHERE status = $1 LIMIT $2", 10.0),
    ],
)
def test_nothing_large_is_read_whole(server: Server, text: str, rows: float) -> None:
    plan = planned(server, text, rows)
    assert plan.scans == ()
    assert plan.index == ""


@pytest.mark.parametrize(
    "text", ["SELECT count(*) FROM parcel", "SELECT status, sum(weight) FROM parcel GROUP BY status"]
)
def test_a_report_over_everything_gets_no_index(server: Server, text: str) -> None:
    plan = planned(server, text)
    assert plan.scans == ("parcel",)
    assert plan.kept_ratio == pytest.approx(1.0, rel=1e-3)
    assert plan.index == ""


def test_a_scan_that_keeps_most_is_told_by_what_it_returns(server: Server) -> None:
    plan = planned(server, "SELECT * FROM parcel WHERE sent > $1", rows=150_000)
    assert plan.kept_ratio == pytest.approx(0.75)


def test_a_function_on_the_column(server: Server) -> None:
    plan = planned(server, "SELECT * FROM parcel WHERE lower(email) = $1", rows=1.0)
    assert plan.index == "CREATE INDEX ON parcel (lower(email))"
    assert "an index on email cannot serve" in plan.note


def test_a_cast_of_the_column(server: Server) -> None:
    plan = planned(server, "SELECT * FROM parcel WHERE id::text = $1", rows=1.0)
    assert plan.index == ""
    assert "cast" in plan.note


def test_like_with_an_unknown_start(server: Server) -> None:
    plan = planned(server, "SELECT * FROM parcel WHERE email LIKE $1", rows=3.0)
    assert plan.index == ""
    assert "pg_trgm" in plan.note


def test_an_index_that_is_invalid(server: Server) -> None:
    with server.connect() as admin:
        admin.execute("CREATE INDEX half_built ON parcel (owner)")
        admin.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'half_built'::regclass")
        try:
            plan = planned(server, "SELECT * FROM parcel WHERE owner = $1")
        finally:
            admin.execute("DROP INDEX half_built")
    assert plan.index == "REINDEX INDEX CONCURRENTLY half_built"
    assert "INVALID" in plan.note


def test_partitions_count_as_their_table(server: Server) -> None:
    with server.connect() as admin:
        admin.execute(
            "CREATE TABLE visit (id bigint, shop int, at date) PARTITION BY RANGE (at);"
            "CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');"
            "CREATE TABLE visit_2 PARTITION OF visit FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');"
            "INSERT INTO visit SELECT i, i % 3000, date '2024-01-01' + i % 700 FROM generate_series(1, 30000) i;"
            "ANALYZE visit, visit_1, visit_2"
        )
        try:
            plan = planned(server, "SELECT * FROM visit WHERE shop = $1")
        finally:
            admin.execute("DROP TABLE visit")
    assert plan.scans == ("visit",)
    assert plan.scanned_rows == 30_000
    assert plan.index == "CREATE INDEX ON visit (shop)"


def test_the_applications_search_path_and_enums_are_honoured(server: Server) -> None:
    with server.connect() as admin:
        admin.execute(
            "CREATE SCHEMA warehouse; CREATE TYPE warehouse.state AS ENUM ('in', 'out');"
            "CREATE TABLE warehouse.item (id int, state warehouse.state, code int);"
            "INSERT INTO warehouse.item SELECT i, 'in', i FROM generate_series(1, 20000) i; ANALYZE warehouse.item"
        )
        dsn = f"{server.dsn()} options='-c search_path=warehouse'"
        texts = "SELECT * FROM item WHERE state = $1::state AND code = $2"
        try:
            plans, notes = explain(lambda: connect(dsn), [statement(texts)], 5.0)
        finally:
            admin.execute("DROP SCHEMA warehouse CASCADE")
    assert notes == ()
    assert plans[0].index == "CREATE INDEX ON warehouse.item (code)"


def test_after_an_error_the_connection_is_thrown_away(server: Server) -> None:
    made: list[psycopg.Connection[Any]] = []

    def counted() -> psycopg.Connection[Any]:
        made.append(connect(server.dsn()))
        return made[-1]

    texts = ["SELECT nowhere FROM parcel", "SELECT * FROM parcel WHERE owner = $1", "SELECT id FROM parcel"]
    plans, notes = explain(counted, [statement(text, number=n) for n, text in enumerate(texts)], 5.0)
    assert len(plans) == 2
    assert notes == ("no plan for statement 0: UndefinedColumn (42703)",)
    assert len(made) == 2
    assert all(connection.closed for connection in made)


def test_five_queries_and_no_writes(server: Server) -> None:
    texts = ["BEGIN", "UPDATE small SET label = $1", *["SELECT * FROM small WHERE label = $1"] * 6]
    plans, notes = explain(
        lambda: connect(server.dsn()), [statement(text, number=n) for n, text in enumerate(texts)], 5.0
    )
    assert [plan.query_id for plan in plans] == ["2", "3", "4", "5", "6"]
    assert notes == ()


def test_no_time_left(server: Server) -> None:
    plans, notes = explain(lambda: connect(server.dsn()), [statement("SELECT * FROM parcel")], -1.0)
    assert plans == ()
    assert notes == ("no time left for further plans",)


@pytest.fixture(scope="module")
def trapped(server: Server) -> Iterator[Server]:
    with server.connect() as admin:
        admin.execute("CREATE DATABASE trapped")
        with server.connect("trapped") as inside:
            inside.execute(hostile.TRAPS.encode())
            if server.version >= 18:
                inside.execute("CREATE TABLE in_virtual (id int, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL)")
        yield server
        admin.execute("DROP DATABASE trapped WITH (FORCE)")


def evil_lines(server: Server) -> int:
    return (server.folder / "server.log").read_text(errors="replace").count("LOG:  EVIL")


def state(server: Server) -> tuple[object, ...]:
    """Tables, sequences, large objects, settings and files."""
    with server.connect("trapped") as connection:
        rows = connection.execute(
            "SELECT (SELECT string_agg(witness::text, ',' ORDER BY id) FROM witness),"
            " (SELECT count(*) FROM parcel), (SELECT last_value FROM counter), (SELECT is_called FROM counter),"
            " (SELECT count(*) FROM pg_largeobject_metadata),"
            " (SELECT string_agg(relname, ',' ORDER BY oid) FROM pg_class),"
            " current_setting('work_mem'), (SELECT count(*) FROM pg_prepared_xacts),"
            " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')"
        ).fetchone()
    return (*(rows or ()), tuple(sorted(path.name for path in server.folder.iterdir())))


def test_the_traps_spring_when_explained_naively(trapped: Server) -> None:
    before = evil_lines(trapped)
    with trapped.connect("trapped") as naive:
        naive.execute("EXPLAIN SELECT evil_i(1)")
        naive.execute("EXPLAIN SELECT * FROM in_view")
        naive.execute("EXPLAIN SELECT * FROM in_index")
        naive.execute("EXPLAIN SELECT * FROM parcel WHERE id > evil_s()")
    assert evil_lines(trapped) >= before + 4


def test_hostile_statements_have_no_effect(trapped: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = list(hostile.statements(str(trapped.folder)))
    assert len(texts) >= 300
    before, evil = state(trapped), evil_lines(trapped)
    long_held: list[object] = []
    done = threading.Event()

    def watch_locks() -> None:
        with trapped.connect("trapped") as watcher:
            while not done.wait(0.02):
                long_held.extend(
                    watcher.execute(
                        "SELECT l.locktype, l.relation::regclass::text, a.query FROM pg_locks l JOIN pg_stat_activity a"
                        " USING (pid) WHERE a.application_name = 'unslow' AND l.locktype <> 'virtualxid'"
                        " AND clock_timestamp() - a.xact_start > interval '100 ms'"
                    ).fetchall()
                )

    watcher = threading.Thread(target=watch_locks)
    with trapped.connect("trapped") as listener:
        listener.execute("LISTEN hostile")
        watcher.start()
        try:
            monkeypatch.setattr("unslow.collect.explain.EXPLAINED", len(texts))
            plans, notes = explain(
                lambda: connect(trapped.dsn(database="trapped")),
                [statement(text, number=number) for number, text in enumerate(texts)],
                120.0,
            )
        finally:
            done.set()
            watcher.join()
        received = list(listener.notifies(timeout=0.2))
    planned_texts = [texts[int(plan.query_id)] for plan in plans]
    assert len(plans) + len(notes) >= 300
    assert evil_lines(trapped) == evil
    assert state(trapped) == before
    assert received == []
    assert long_held == []
    assert planned_texts == (["SELECT * FROM in_virtual"] if trapped.version >= 18 else [])


def test_a_harmless_statement_beside_the_traps(trapped: Server) -> None:
    before = evil_lines(trapped)
    dsn = trapped.dsn(database="trapped")
    texts = ["SELECT * FROM parcel WHERE owner = 5 AND lower(email) = 'a'", "SELECT * FROM parcel WHERE email = 'x'"]
    plans, notes = explain(lambda: connect(dsn), [statement(text) for text in texts], 5.0)
    assert len(plans) == 2, notes
    assert plans[0].index == "CREATE INDEX ON parcel (owner)"
    assert evil_lines(trapped) == before


def test_planning_that_takes_long_is_cut_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unslow.collect.explain.PLANNING_TIMEOUT_MS", 1)
    joined = ", ".join(f"parcel p{n}" for n in range(12))
    where = " AND ".join(f"p{n}.id = p{n + 1}.owner AND p{n}.owner > $1" for n in range(11))
    began_s = time.monotonic()
    plans, notes = explain(lambda: connect(server.dsn()), [statement(f"SELECT 1 FROM {joined} WHERE {where}")], 5.0)
    assert plans == ()
    assert notes == ("no plan for statement 1: QueryCanceled (57014)",)
    assert time.monotonic() - began_s < 5.0
