"""The database part of a request, split by statement and by lock waits.

The stacks say how long the application waits for its database; the database's own counters only
say how to divide that time. Counters alone would miss round trips (many cheap calls) and table
locks, which are taken before a statement is timed.
"""

from __future__ import annotations

from math import hypot

import msgspec

from unslow.evidence import Evidence
from unslow.evidence.queries import Queries
from unslow.measure.part import Part
from unslow.measure.rate import request_rate_per_s

SHOWN_STATEMENTS = 6
SHOWN_CHARACTERS = 90


class StatementLoad(msgspec.Struct, frozen=True, kw_only=True):
    """One statement per request of the application."""

    query_id: str
    text: str
    calls: float
    exec_s: float
    lock_s: float
    """Part of `exec_s` that was waiting for a row lock."""


def database_parts(evidence: Evidence, stacks: list[Part]) -> tuple[Part, ...]:
    """Divide the stacks' database time; the sum does not change."""
    total_s = sum(part.seconds for part in stacks)
    queries = evidence.queries
    if total_s <= 0:
        return tuple(stacks)
    se_s = hypot(*(part.se_s for part in stacks))
    loads = statement_loads(evidence)
    locked_s = min(total_s, lock_wait_ratio(queries) * total_s) if queries else 0.0
    parts = []
    if locked_s > 0:
        parts.append(_part("db lock wait", "waiting for a lock in the database", locked_s, se_s * locked_s / total_s))
    rest_s = total_s - locked_s
    weights = _weights(loads, rest_s, _longest_trip_s(evidence))
    weight = sum(weights)
    if weight <= 0:
        return (*parts, _part("db query", "database", rest_s, se_s * rest_s / total_s))
    ranked = sorted(zip(weights, loads, strict=True), key=lambda pair: -pair[0])
    for value, load in ranked[:SHOWN_STATEMENTS]:
        seconds = rest_s * value / weight
        parts.append(
            Part(
                kind="db query",
                place=short(load.text),
                seconds=seconds,
                se_s=se_s * seconds / total_s,
                evidence=("profile", "queries.statements"),
                detail=load.query_id,
            )
        )
    others = rest_s * sum(value for value, _ in ranked[SHOWN_STATEMENTS:]) / weight
    if others > 0:
        parts.append(_part("db query", "other statements", others, se_s * others / total_s))
    return tuple(parts)


def statement_loads(evidence: Evidence) -> tuple[StatementLoad, ...]:
    """Calls and execution time of each statement per request; empty without counters or a request rate."""
    queries, rate = evidence.queries, request_rate_per_s(evidence)
    if queries is None or not queries.statements or not rate or queries.seconds <= 0:
        return ()
    requests = rate * queries.seconds
    locked = {wait.query_id: wait.mean for wait in queries.waits if wait.wait_type == "Lock" and wait.query_id}
    return tuple(
        StatementLoad(
            query_id=statement.query_id,
            text=statement.text,
            calls=statement.calls / requests,
            exec_s=statement.exec_s / requests,
            lock_s=min(statement.exec_s / requests, locked.get(statement.query_id, 0.0) / rate),
        )
        for statement in queries.statements
        if statement.calls > 0
    )


def lock_wait_ratio(queries: Queries) -> float:
    """Share of the sessions busy with a statement that were waiting for a lock: 0..1."""
    active = [wait for wait in queries.waits if wait.state == "active"]
    busy = sum(wait.mean for wait in active)
    locked = sum(wait.mean for wait in active if wait.wait_type == "Lock")
    return locked / busy if busy else 0.0


LOCAL_TRIP_S = 0.001
"""A round trip on one machine or rack, the driver's work for it included, takes no longer."""


def _longest_trip_s(evidence: Evidence) -> float:
    """What one statement can cost besides its execution: the driver, and the kernel's round trip."""
    peers = evidence.sockets.peers if evidence.sockets else ()
    trips = [peer.rtt_s for peer in peers if peer.kind == "postgresql" and peer.rtt_s]
    return max([LOCAL_TRIP_S, *(2 * trip for trip in trips)])


def _weights(loads: tuple[StatementLoad, ...], total_s: float, longest_trip_s: float) -> list[float]:
    """Seconds per request of each statement: execution without lock waits, plus its round trips.

    What the application waits beyond the server's execution time is round trips and driver, the
    same for each call, as far as a round trip can be that long; the rest is slow execution.
    """
    executing = [load.exec_s - load.lock_s for load in loads]
    calls = sum(load.calls for load in loads)
    round_trip_s = min(longest_trip_s, max(0.0, total_s - sum(executing)) / calls) if calls else 0.0
    return [exec_s + load.calls * round_trip_s for exec_s, load in zip(executing, loads, strict=True)]


def short(text: str) -> str:
    """One line of at most `SHOWN_CHARACTERS`."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 1] + "…"


def _part(kind: str, place: str, seconds: float, se_s: float) -> Part:
    return Part(kind=kind, place=place, seconds=seconds, se_s=se_s, evidence=("profile", "queries.waits"))
