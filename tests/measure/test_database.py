from __future__ import annotations

import pytest

from tests.checks.verbs import peer, queries, sockets, statement
from tests.evidences import evidence
from unslow.evidence.queries import Wait
from unslow.measure.database import SHOWN_CHARACTERS, database_parts, short
from unslow.measure.part import Part

STACKS = [Part(kind="db query", place="database", seconds=0.060, se_s=0.002)]


def test_execution_and_round_trips_are_divided_by_statement() -> None:
    # 200 requests: one slow statement of 51 ms, one cheap one called eight times; 1 ms for each round trip.
    busy = queries(statement("1", "SELECT slow", 200, 10.2), statement("2", "SELECT quick", 1600, 0.0))
    parts = database_parts(evidence(queries=busy, sockets=sockets()), STACKS)
    assert {part.detail: round(part.seconds * 1e3) for part in parts} == {"1": 52, "2": 8}


def test_a_round_trip_is_not_longer_than_the_way_allows() -> None:
    # 20 ms beyond the execution time and two calls: most of it is slow execution, not the way.
    busy = queries(statement("1", "SELECT slow", 200, 8.0), statement("2", "BEGIN", 200, 0.0))
    parts = database_parts(evidence(queries=busy, sockets=sockets()), STACKS)
    assert {part.detail: round(part.seconds * 1e3, 1) for part in parts} == {"1": 58.6, "2": 1.4}


def test_a_far_database_has_longer_round_trips() -> None:
    busy = queries(statement("1", "SELECT slow", 200, 8.0), statement("2", "BEGIN", 200, 0.0))
    far = sockets(peer("postgresql", rtt_s=0.010))
    parts = database_parts(evidence(queries=busy, sockets=far), STACKS)
    assert {part.detail: round(part.seconds * 1e3) for part in parts} == {"1": 50, "2": 10}


def test_waiting_for_locks_is_a_line_of_its_own() -> None:
    waits = (
        Wait(state="active", wait_type="Lock", wait_event="relation", query_id="1", text="", mean=0.9),
        Wait(state="active", wait_type="", wait_event="", query_id="1", text="", mean=0.3),
        Wait(state="idle", wait_type="Client", wait_event="ClientRead", query_id="", text="", mean=5.0),
    )
    locked = queries(statement("1", "UPDATE t", 200, 0.2), waits=waits)
    parts = {part.kind: part.seconds for part in database_parts(evidence(queries=locked, sockets=sockets()), STACKS)}
    assert parts == {"db lock wait": pytest.approx(0.045), "db query": pytest.approx(0.015)}


def test_without_counters_it_stays_one_line() -> None:
    (part,) = database_parts(evidence(), STACKS)
    assert (part.place, part.seconds) == ("database", 0.060)


def test_no_time_in_the_database_is_left_alone() -> None:
    assert database_parts(evidence(queries=queries()), []) == ()


def test_many_statements_are_pooled_and_the_sum_stays() -> None:
    many = queries(*(statement(str(i), f"SELECT {i}", 200, 1.0 + i) for i in range(20)))
    parts = database_parts(evidence(queries=many, sockets=sockets()), STACKS)
    assert parts[-1].place == "other statements"
    assert sum(part.seconds for part in parts) == pytest.approx(0.060)


def test_long_statements_are_cut() -> None:
    assert len(short("SELECT " + "x, " * 100)) == SHOWN_CHARACTERS
    assert short("SELECT\n  1") == "SELECT 1"
