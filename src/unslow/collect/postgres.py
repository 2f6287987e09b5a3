"""PostgreSQL facts: statement counters over the window, sessions and locks in it, plans after it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import msgspec
import postgast
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from unslow.collect.activity import Activity
from unslow.collect.dsn import Candidate
from unslow.collect.explain import explain
from unslow.collect.postgres_counters import Counters, Reading, differences, hidden_calls, reason
from unslow.errors import Unavailable
from unslow.evidence.queries import Queries, Statement

Connection = psycopg.Connection[Any]

SAMPLE_INTERVAL_S = 0.1
"""Sessions are read ten times a second at most: each reading makes the server walk its process table."""
STATEMENT_TIMEOUT_S = 2.0
LOCK_TIMEOUT_S = 0.1
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


class PostgresReader:
    """Reads one server through at most two connections, both read-only and with short time limits.

    Made, it has logged in; then `start`, `sample` as often as wanted, `stop`; `close` at any time.
    """

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        """Log in with the first candidate that is let in; raises `Unavailable` when none is."""
        self._notes: list[str] = []
        self._activity = Activity()
        self._before: Reading | None = None
        self._sampled_s = 0.0
        self._reading: Future[None] | None = None
        self._lost = ""
        tried = []
        for candidate in candidates:
            if candidate.kind != "postgresql":
                continue
            try:
                self._connection, self._dsn = _log_in(candidate)
                self._address = candidate.address
                break
            except psycopg.Error as error:
                tried.append(f"{candidate.source}: {reason(error)}")
        else:
            raise Unavailable(
                "a PostgreSQL login" + (f" ({'; '.join(tried[:4])})" if tried else ""),
                "give unslow a database login: --postgres postgresql://USER@HOST/DATABASE",
            )
        try:
            self._counters = Counters(self._connection, self._note)
        except psycopg.Error as error:
            self._connection.close()
            raise _unanswered(reason(error)) from error
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
        plans, refused = explain(lambda: connect(self._dsn), queries.statements or (), plan_budget_s)
        return msgspec.structs.replace(queries, plans=plans, notes=(*queries.notes, *refused))

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        self._threads.shutdown(wait=True)
        self._connection.close()

    def _read_sessions(self) -> None:
        try:
            self._activity.read(self._connection)
        except psycopg.errors.QueryCanceled:
            self._note(f"some readings of the sessions took over {STATEMENT_TIMEOUT_S:.0f} s and were given up")
        except psycopg.Error as error:
            self._lost = reason(error)

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    def _queries(self, before: Reading, after: Reading) -> Queries:
        connection = self._connection
        seconds = after.at_s - before.at_s
        statements = differences(before, after)
        if self._activity.hidden or hidden_calls(before, after) > 0:
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
    return Unavailable(f"PostgreSQL's counters ({why})", "repeat; the server's log tells why it did not answer")


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
    options = " ".join([str(own), *(f"-c {name}={value}" for name, value in limits.items())]).strip()
    try:
        connection = _opened(dsn, options=options)
    except psycopg.OperationalError as error:
        if "unsupported startup parameter" not in str(error):
            raise
        connection = _opened(dsn)  # a pooler in between refuses options at start-up: set them afterwards
        for name, value in limits.items():
            connection.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    # No function or operator that a user put on the search path can stand in for a built-in one.
    connection.execute("SELECT /* unslow */ pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)")
    return connection


def _opened(dsn: str, **words: str) -> Connection:
    whole = make_conninfo(dsn, application_name="unslow", connect_timeout=3, **words)
    return psycopg.connect(whole, autocommit=True, prepare_threshold=None)


def _ids_by_shape(statements: Iterable[Statement], activity: Activity, connection: Connection) -> dict[str, str]:
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
