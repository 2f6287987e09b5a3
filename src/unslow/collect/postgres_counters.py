"""The cumulative counters of a PostgreSQL server, whatever columns its version has, and their difference."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from unslow.evidence.queries import Statement
from unslow.measure.statements import shape

Connection = psycopg.Connection[Any]

MAX_STATEMENTS = 300
"""Kept in the evidence: the most expensive and the most frequent."""

HIDDEN_ID = ""
"""Under it are the statements of other users, whose id and text this user may not see."""


@dataclass(frozen=True, slots=True)
class Counts:
    """One row of pg_stat_statements, all users of the database together; cumulative."""

    calls: float
    exec_s: float
    rows: float
    blocks: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    at_s: float
    """Monotonic."""
    statements: dict[str, Counts] | None
    age_s: float | None
    evicted: float
    sessions: float | None


class Counters:
    """Reads the cumulative counters, whatever columns this version has."""

    def __init__(self, connection: Connection, note: Callable[[str], None]) -> None:
        self._version = connection.info.server_version
        self._statements, self._info = _statements_query(connection, note)

    def read(self, connection: Connection, *, texts: bool) -> Reading:
        statements, age_s, evicted = None, None, 0.0
        if self._statements is not None:
            rows = connection.execute(self._statements, (texts,)).fetchall()
            statements = {row[0] or HIDDEN_ID: Counts(row[1], row[2], row[3], row[4], row[5] or "") for row in rows}
            found = connection.execute(self._info or _SERVER_AGE).fetchone()
            age_s, evicted = (float(found[0]), float(found[1])) if found else (None, 0.0)
        sessions = None
        if self._version >= 140_000:
            row = connection.execute(_SESSIONS).fetchone()
            sessions = float(row[0]) if row else None
        return Reading(time.monotonic(), statements, age_s, evicted, sessions)


_SERVER_AGE: LiteralString = (
    "SELECT /* unslow */ extract(epoch FROM now() - pg_postmaster_start_time())::float8, 0::float8"
)
_SESSIONS: LiteralString = (
    "SELECT /* unslow */ sessions::float8 FROM pg_stat_database WHERE datname = current_database()"
)
_STATEMENTS: LiteralString = """
SELECT /* unslow */ queryid::text, sum(calls)::float8, sum({exec_time})::float8 / 1000, sum(rows)::float8,
       sum(shared_blks_hit + shared_blks_read)::float8,
       max(query) FILTER (WHERE query <> '<insufficient privilege>')
FROM {schema}.pg_stat_statements(%s)
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND {toplevel}
GROUP BY queryid
"""
_STATEMENTS_AGE: LiteralString = (
    "SELECT /* unslow */ extract(epoch FROM clock_timestamp() - stats_reset)::float8, dealloc::float8"
    " FROM {schema}.pg_stat_statements_info"
)
_EXTENSION: LiteralString = (
    "SELECT /* unslow */ nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
    " WHERE extname = 'pg_stat_statements'"
)


def hidden_calls(before: Reading, after: Reading) -> float:
    """Calls in the window of statements that this user may not see."""
    now, was = ((reading.statements or {}).get(HIDDEN_ID) for reading in (after, before))
    return now.calls - (was.calls if was else 0.0) if now else 0.0


def _statements_query(
    connection: Connection, note: Callable[[str], None]
) -> tuple[sql.Composed | None, sql.Composed | None]:
    """The queries for the counters and for their age; (None, None) and a note when there are no counters."""
    found = connection.execute(_EXTENSION).fetchone()
    if found is None:
        note(f"CREATE EXTENSION pg_stat_statements in {connection.info.dbname} gives statement counters")
        return None, None
    schema = sql.Identifier(found[0])
    try:
        described = connection.execute(
            sql.SQL("SELECT /* unslow */ * FROM {}.pg_stat_statements(false) LIMIT 0").format(schema)
        ).description
    except psycopg.Error as error:
        note(f"pg_stat_statements: {reason(error)}; add it to shared_preload_libraries and restart the server")
        return None, None
    columns = {column.name for column in described or ()}
    query = sql.SQL(_STATEMENTS).format(
        schema=schema,
        exec_time=sql.Identifier("total_exec_time" if "total_exec_time" in columns else "total_time"),
        toplevel=sql.SQL("toplevel" if "toplevel" in columns else "true"),
    )
    # Version 1.9 of the extension brought both.
    return query, sql.SQL(_STATEMENTS_AGE).format(schema=schema) if "toplevel" in columns else None


def differences(before: Reading, after: Reading) -> tuple[Statement, ...] | None:
    """What ran in the window, largest execution time first; our own statements left out."""
    if before.statements is None or after.statements is None:
        return None
    ran = []
    for query_id, now in after.statements.items():
        was = before.statements.get(query_id)
        if was is None or was.calls > now.calls:  # new, or the counters were reset in between
            was = Counts(0.0, 0.0, 0.0, 0.0)
        if now.calls > was.calls and query_id != HIDDEN_ID and "/* unslow */" not in now.text:
            ran.append((query_id, was, now))
    ran.sort(key=lambda one: (one[1].exec_s - one[2].exec_s, one[0]))
    often = {one[0] for one in sorted(ran, key=lambda one: one[1].calls - one[2].calls)[: MAX_STATEMENTS // 3]}
    kept = [one for place, one in enumerate(ran) if place < MAX_STATEMENTS or one[0] in often]
    return tuple(
        Statement(
            query_id=query_id,
            text=shape(now.text),
            calls=now.calls - was.calls,
            exec_s=max(0.0, now.exec_s - was.exec_s),
            rows=max(0.0, now.rows - was.rows),
            shared_blocks=max(0.0, now.blocks - was.blocks),
            lifetime_calls=was.calls,
            lifetime_exec_s=was.exec_s,
        )
        for query_id, was, now in kept
    )


def reason(error: psycopg.Error) -> str:
    """The server's words without address or statement text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if "FATAL:" in line), lines[0] if lines else type(error).__name__)
    return told.rpartition("FATAL:")[2].rpartition("failed: ")[2].strip()


def _text(value: str | None) -> str:
    return value or "unknown"
