"""PostgreSQL facts: statement counters over the window, sessions and locks in it, plans after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, LiteralString

import msgspec
import postgast
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from unslow.collect.activity import Activity
from unslow.collect.dsn import Candidate
from unslow.collect.explain import explain
from unslow.errors import Unavailable
from unslow.evidence.queries import Queries, Statement
from unslow.measure.statements import shape

Connection = psycopg.Connection[Any]

SAMPLE_INTERVAL_S = 0.1
"""Sessions are read ten times a second at most: each reading makes the server walk its process table."""
STATEMENT_TIMEOUT_S = 2.0
LOCK_TIMEOUT_S = 0.1
EXPLAINED = 5
"""Plans are read for this many statements, the most expensive of the window."""
MAX_STATEMENTS = 300
"""Kept in the evidence: the most expensive and the most frequent."""
SHOWN_SETTINGS = (
    "autovacuum",
    "compute_query_id",
    "deadlock_timeout",
    "default_transaction_isolation",
    "effective_cache_size",
    "jit",
    "jit_above_cost",
    "log_lock_waits",
    "log_min_duration_statement",
    "max_connections",
    "max_parallel_workers_per_gather",
    "plan_cache_mode",
    "random_page_cost",
    "shared_buffers",
    "superuser_reserved_connections",
    "synchronous_commit",
    "track_activity_query_size",
    "track_io_timing",
    "work_mem",
)
_READ_ALL = "GRANT pg_read_all_stats TO {user}"


@dataclass(frozen=True, slots=True)
class _Counts:
    """One row of pg_stat_statements, all users of the database together; cumulative."""

    calls: float
    exec_s: float
    rows: float
    blocks: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Reading:
    at_s: float
    """Monotonic."""
    statements: dict[str, _Counts] | None
    age_s: float | None
    evicted: float
    sessions: float | None


class PostgresReader:
    """Reads one server through at most two connections, both read-only and with short time limits.

    Made, it has logged in; then `start`, `sample` as often as wanted, `stop`; `close` at any time.
    """

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        """Log in with the first candidate that is let in; raises `Unavailable` when none is."""
        self._notes: list[str] = []
        self._activity = Activity()
        self._before: _Reading | None = None
        self._sampled_s = 0.0
        self._reading: Future[None] | None = None
        self._lost = ""
        tried = []
        for candidate in candidates:
            if candidate.kind != "postgresql":
                continue
            try:
                self._connection, self._dsn = _log_in(candidate)
                self._counters = _Counters(self._connection, self._note)
            except psycopg.Error as error:
                tried.append(f"{candidate.source}: {reason(error)}")
            else:
                self._address = candidate.address
                break
        else:
            raise Unavailable(
                "a PostgreSQL login" + (f" ({'; '.join(tried[:4])})" if tried else ""),
                "give unslow a database login: --postgres postgresql://USER:PASSWORD@HOST/DATABASE",
            )
        self._threads = ThreadPoolExecutor(1, "unslow-postgres")

    def start(self) -> None:
        """Read the counters for the first time; a server that does not answer is reported by `stop`."""
        try:
            self._before = self._counters.read(self._connection, texts=False)
        except psycopg.Error as error:
            self._lost = reason(error)

    def sample(self) -> None:
        """Have the sessions read in the background; returns at once.

        Nothing happens when they were read less than 0.1 s ago or the last reading is not back yet.
        """
        now_s = time.monotonic()
        busy = self._reading is not None and not self._reading.done()
        if busy or self._lost or now_s - self._sampled_s < SAMPLE_INTERVAL_S:
            return
        self._sampled_s = now_s
        self._reading = self._threads.submit(self._read_sessions)

    def stop(self, plan_budget_s: float = 5.0) -> Queries:
        """Read the counters again, then the plans of the most expensive statements.

        Raises `Unavailable` when the connection was lost in between.
        """
        if self._reading is not None:
            self._reading.result()
        try:
            if self._lost or self._before is None:
                raise _unanswered(self._lost or "not started")
            after = self._counters.read(self._connection, texts=True)
            queries = self._queries(self._before, after)
        except psycopg.Error as error:
            raise _unanswered(reason(error)) from error
        finally:
            self.close()
        top = [one for one in queries.statements or () if one.exec_s > 0][:EXPLAINED]
        plans, refused = explain(lambda: connect(self._dsn), top, plan_budget_s)
        return msgspec.structs.replace(queries, plans=plans, notes=(*queries.notes, *refused))

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        self._threads.shutdown(wait=True)
        self._connection.close()

    def _read_sessions(self) -> None:
        try:
            self._activity.read(self._connection)
        except psycopg.errors.QueryCanceled:
            self._note(
                f"some readings of the sessions took over {STATEMENT_TIMEOUT_S:.0f} s and were given up"
            )
        except psycopg.Error as error:
            self._lost = reason(error)

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    def _queries(self, before: _Reading, after: _Reading) -> Queries:
        connection = self._connection
        seconds = after.at_s - before.at_s
        statements = _differences(before, after)
        if self._activity.hidden or any(one.text == "" for one in statements or ()):
            self._note(f"statements of other users are hidden: {_READ_ALL.format(user=connection.info.user)}")
        if after.evicted > before.evicted:
            self._note(
                f"pg_stat_statements dropped {after.evicted - before.evicted:.0f} entries in the window: "
                "raise pg_stat_statements.max"
            )
        ids = _ids_by_shape(statements or (), self._activity, connection)
        settings = _settings(connection)
        opened = None
        if before.sessions is not None and after.sessions is not None and seconds > 0:
            opened = max(0.0, after.sessions - before.sessions) / seconds
        return Queries(
            address=self._address,
            version=connection.info.parameter_status("server_version") or "unknown",
            seconds=seconds,
            statements=statements,
            lifetime_s=before.age_s,
            waits=self._activity.waits(ids),
            wait_readings=self._activity.readings,
            blockers=self._activity.blockers(),
            settings=settings,
            connections=_connections(connection),
            max_connections=int(dict(settings).get("max_connections", "0")),
            connections_opened_per_s=opened,
            notes=tuple(self._notes),
        )


def _unanswered(why: str) -> Unavailable:
    return Unavailable(
        f"PostgreSQL's counters ({why})", "repeat; the server's log tells why it did not answer"
    )


def _log_in(candidate: Candidate) -> tuple[Connection, str]:
    """A session in the application's database, and its connection string; raises psycopg.Error."""
    connection = connect(candidate.dsn)
    if candidate.database_known:
        return connection, candidate.dsn
    busiest = _busiest_database(connection)
    if busiest is None or busiest == connection.info.dbname:
        return connection, candidate.dsn
    connection.close()
    dsn = make_conninfo(candidate.dsn, dbname=busiest)
    return connect(dsn), dsn


def connect(dsn: str) -> Connection:
    """A session that cannot write, waits for nothing long, and is known as `unslow`; raises psycopg.Error."""
    limits = {
        "default_transaction_read_only": "on",
        "statement_timeout": f"{STATEMENT_TIMEOUT_S * 1e3:.0f}",
        "lock_timeout": f"{LOCK_TIMEOUT_S * 1e3:.0f}",
        "idle_in_transaction_session_timeout": "5000",
    }
    own = conninfo_to_dict(dsn).get("options") or ""
    words: dict[str, Any] = {
        "application_name": "unslow",
        "connect_timeout": 3,
        "fallback_application_name": "unslow",
    }
    options = " ".join([str(own), *(f"-c {name}={value}" for name, value in limits.items())]).strip()
    try:
        return psycopg.connect(
            make_conninfo(dsn, **words, options=options), autocommit=True, prepare_threshold=None
        )
    except psycopg.OperationalError as error:
        if "unsupported startup parameter" not in str(error):
            raise
    # A pooler in between refuses options at start-up: set them afterwards.
    connection = psycopg.connect(make_conninfo(dsn, **words), autocommit=True, prepare_threshold=None)
    for name, value in limits.items():
        connection.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    return connection


class _Counters:
    """Reads the cumulative counters, whatever columns this version has."""

    def __init__(self, connection: Connection, note: Callable[[str], None]) -> None:
        self._version = connection.info.server_version
        self._statements, self._info = _statements_query(connection, note)

    def read(self, connection: Connection, *, texts: bool) -> _Reading:
        statements, age_s, evicted = None, None, 0.0
        if self._statements is not None:
            rows = connection.execute(self._statements, (texts,)).fetchall()
            statements = {row[0]: _Counts(row[1], row[2], row[3], row[4], row[5] or "") for row in rows}
            found = connection.execute(self._info or _SERVER_AGE).fetchone()
            age_s, evicted = (float(found[0]), float(found[1])) if found else (None, 0.0)
        sessions = None
        if self._version >= 140_000:
            row = connection.execute(_SESSIONS).fetchone()
            sessions = float(row[0]) if row else None
        return _Reading(time.monotonic(), statements, age_s, evicted, sessions)


_SERVER_AGE: LiteralString = (
    "SELECT /* unslow */ extract(epoch FROM now() - pg_postmaster_start_time())::float8, 0::float8"
)
_SESSIONS: LiteralString = (
    "SELECT /* unslow */ sessions::float8 FROM pg_stat_database WHERE datname = current_database()"
)
_STATEMENTS: LiteralString = """
SELECT /* unslow */ queryid::text, sum(calls)::float8, sum({exec_time})::float8 / 1000, sum(rows)::float8,
       sum(shared_blks_hit + shared_blks_read)::float8, min(query)
FROM {schema}.pg_stat_statements(%s)
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND queryid IS NOT NULL AND {toplevel}
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
        note(
            f"pg_stat_statements: {reason(error)}; add it to shared_preload_libraries and restart the server"
        )
        return None, None
    columns = {column.name for column in described or ()}
    query = sql.SQL(_STATEMENTS).format(
        schema=schema,
        exec_time=sql.Identifier("total_exec_time" if "total_exec_time" in columns else "total_time"),
        toplevel=sql.SQL("toplevel" if "toplevel" in columns else "true"),
    )
    # Version 1.9 of the extension brought both.
    return query, sql.SQL(_STATEMENTS_AGE).format(schema=schema) if "toplevel" in columns else None


def _differences(before: _Reading, after: _Reading) -> tuple[Statement, ...] | None:
    """What ran in the window, largest execution time first; our own statements left out."""
    if before.statements is None or after.statements is None:
        return None
    ran = []
    for query_id, now in after.statements.items():
        was = before.statements.get(query_id)
        if was is None or was.calls > now.calls:  # new, or the counters were reset in between
            was = _Counts(0.0, 0.0, 0.0, 0.0)
        if now.calls > was.calls and "/* unslow */" not in now.text:
            ran.append((query_id, was, now))
    ran.sort(key=lambda one: (one[1].exec_s - one[2].exec_s, one[0]))
    often = {
        one[0] for one in sorted(ran, key=lambda one: one[1].calls - one[2].calls)[: MAX_STATEMENTS // 3]
    }
    kept = [one for place, one in enumerate(ran) if place < MAX_STATEMENTS or one[0] in often]
    return tuple(
        Statement(
            query_id=query_id,
            text=shape(now.text) if now.text != "<insufficient privilege>" else "",
            calls=now.calls - was.calls,
            exec_s=max(0.0, now.exec_s - was.exec_s),
            rows=max(0.0, now.rows - was.rows),
            shared_blocks=max(0.0, now.blocks - was.blocks),
            lifetime_calls=was.calls,
            lifetime_exec_s=was.exec_s,
        )
        for query_id, was, now in kept
    )


def _ids_by_shape(
    statements: Iterable[Statement], activity: Activity, connection: Connection
) -> dict[str, str]:
    """Query ids by the text that a session shows, for servers before 14, which do not tell the id."""
    if connection.info.server_version >= 140_000:
        return {}
    known = {mark: one.query_id for one in statements if (mark := _fingerprint(one.text))}
    shown = {wait.text: _fingerprint(wait.text) for wait in activity.waits({})}
    return {text: known[mark] for text, mark in shown.items() if mark in known}


def _fingerprint(text: str) -> str:
    try:
        return postgast.fingerprint(text).hex if text else ""
    except postgast.PgQueryError:
        return ""


def _settings(connection: Connection) -> tuple[tuple[str, str], ...]:
    rows = connection.execute(
        "SELECT /* unslow */ name, current_setting(name) FROM pg_settings WHERE name = ANY(%s) ORDER BY name",
        (list(SHOWN_SETTINGS),),
    ).fetchall()
    return tuple((row[0], row[1]) for row in rows)


def _connections(connection: Connection) -> int:
    row = connection.execute(
        "SELECT /* unslow */ count(*) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND application_name <> 'unslow'"
    ).fetchone()
    return int(row[0]) if row else 0


def _busiest_database(connection: Connection) -> str | None:
    row = connection.execute(
        "SELECT /* unslow */ datname FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND pid <> pg_backend_pid() AND datname IS NOT NULL GROUP BY datname"
        " ORDER BY count(*) DESC, datname LIMIT 1"
    ).fetchone()
    return str(row[0]) if row else None


def reason(error: psycopg.Error) -> str:
    """The server's words without address or statement text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if "FATAL:" in line), lines[0] if lines else type(error).__name__)
    return told.rpartition("FATAL:")[2].rpartition("failed: ")[2].strip()


def _text(value: str | None) -> str:
    return value or "unknown"
