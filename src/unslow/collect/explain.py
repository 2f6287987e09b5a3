"""Plans of statements, which are planned and never executed.

The statement must pass twice: by its parse tree (`measure.explainable`) and by the catalog
(`catalog`). It is then prepared and explained over the extended protocol, in one read-only
transaction that is always rolled back and sent in one go, so that its locks end with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import postgast
import psycopg
from psycopg import sql

from unslow.collect import catalog
from unslow.evidence.queries import Plan, Statement
from unslow.measure.explainable import RefusedError, Select, vetted
from unslow.measure.index_candidates import NewIndex, proposal
from unslow.measure.plans import Scan, cost, whole_scans
from unslow.measure.tables import Name, Table

Connection = psycopg.Connection[Any]

PLANNING_TIMEOUT_MS = 500
"""Planning takes milliseconds; what takes longer holds its locks too long."""
EXPLAINED = 5
"""Plans are read for this many queries, the most expensive of the window."""
TRIED_INDEXES = 3
SIMPLER = 1.05
"""A shorter index is preferred when its cost is within 5 % of the best."""


@dataclass(frozen=True, slots=True)
class _Explained:
    text: str
    tree: Sequence[Mapping[str, Any]]


def explain(
    connect: Callable[[], Connection], statements: Iterable[Statement], budget_s: float
) -> tuple[tuple[Plan, ...], tuple[str, ...]]:
    """Plans of the first five queries among `statements`, and why some of those may not be planned.

    Writes and utility statements are passed over. After an error the connection is thrown away. Stops
    beginning new statements after `budget_s` seconds.
    """
    queries = [each for each in statements if _word(each.text) in {"select", "with", "(", "values", "table"}]
    deadline_s = time.monotonic() + budget_s
    plans, notes = [], []
    session: _Session | None = None
    try:
        for statement in queries[:EXPLAINED]:
            if time.monotonic() > deadline_s:
                notes.append("no time left for further plans")
                break
            try:
                select = vetted(statement.text)
                session = session or _Session(connect())
                plans.append(_plan(session, statement, select))
            except (RefusedError, postgast.PgQueryError) as refused:
                notes.append(f"no plan for statement {statement.query_id}: {refused}")
            except psycopg.Error as error:
                notes.append(f"no plan for statement {statement.query_id}: {_class(error)}")
                if session is not None:
                    session.close()
                session = None
    finally:
        if session is not None:
            session.close()
    return tuple(plans), tuple(notes)


class _Session:
    """One connection for planning only."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._prepared = 0
        try:
            self.path = catalog.schemas(connection)
            row = connection.execute(
                "SELECT /* unslow */ rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            self._superuser = bool(row and row[0]) and connection.info.server_version >= 140_000
            self._hypopg = _hypopg_schema(connection)
        except psycopg.Error:
            connection.close()
            raise

    @property
    def has_hypopg(self) -> bool:
        return self._hypopg is not None

    def close(self) -> None:
        self._connection.close()

    def tables(self, select: Select) -> dict[Name, Table]:
        return catalog.complete(select, self._connection, self.path)

    def explain(self, select: str, parameters: int, index: str = "") -> _Explained:
        """The generic plan; `index` is a CREATE INDEX that is assumed to have been carried out.

        EXPLAIN (GENERIC_PLAN) would need the simple protocol, which also takes several statements at once:
        over the extended protocol the server wants values for $1 and plans for those. A prepared statement
        under plan_cache_mode gives the same plan from version 12 on.
        """
        self._prepared += 1
        name = f"unslow_{self._prepared}"
        arguments = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
        steps: list[tuple[str, Sequence[str]]] = [
            ("BEGIN READ ONLY", ()),
            (f"SET LOCAL statement_timeout = {PLANNING_TIMEOUT_MS}", ()),
            ("SET LOCAL lock_timeout = 100", ()),
            ("SET LOCAL idle_in_transaction_session_timeout = 1000", ()),
            ("SET LOCAL plan_cache_mode = force_generic_plan", ()),
            ("SET LOCAL search_path = pg_catalog, pg_temp", ()),
        ]
        if self._superuser:  # so that nothing could be written even if something were executed
            steps.append(("SET LOCAL ROLE pg_read_all_data", ()))
        if index:
            steps.append((f"SELECT /* unslow */ {self._hypopg}.hypopg_create_index(%s::text)", (index,)))
        steps += [
            (f"PREPARE {name} AS {select}", ()),
            (f"EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE {name}{arguments}", ()),
            (f"EXPLAIN EXECUTE {name}{arguments}", ()),
        ]
        if index:
            steps.append((f"SELECT /* unslow */ {self._hypopg}.hypopg_reset()", ()))
        steps += [("ROLLBACK", ()), (f"DEALLOCATE {name}", ())]
        answers = self._in_one_go(steps)
        planned = next(place for place, (step, _) in enumerate(steps) if step.startswith("EXPLAIN (FORMAT"))
        lines = answers[planned + 1].fetchall()
        row = answers[planned].fetchone()
        return _Explained("\n".join(str(line[0]) for line in lines), row[0] if row else [])

    def _in_one_go(self, steps: Iterable[tuple[str, Sequence[str]]]) -> list[psycopg.Cursor[Any]]:
        """One pipeline: every step goes over the extended protocol, and no lock waits for our next packet."""
        cursors = []
        with self._connection.pipeline():
            for step, values in steps:
                cursor = self._connection.cursor()
                cursor.execute(step.encode(), values or None)
                cursors.append(cursor)
        return cursors


def _plan(session: _Session, statement: Statement, select: Select) -> Plan:
    tables = session.tables(select)
    text = select.text()
    explained = session.explain(text, select.parameters)
    returned = statement.rows / statement.calls if statement.calls > 0 else None
    scans = whole_scans(explained.tree, tables, returned)
    base = Plan(
        query_id=statement.query_id,
        text=statement.text,
        plan=explained.text,
        cost=cost(explained.tree),
        scans=tuple(dict.fromkeys(tables[scan.table].shown for scan in scans)),
        scanned_rows=scans[0].rows if scans else 0.0,
    )
    return _with_index(session, base, select, text, scans, tables) if scans else base


def _with_index(
    session: _Session,
    plan: Plan,
    select: Select,
    text: str,
    scans: Sequence[Scan],
    tables: Mapping[Name, Table],
) -> Plan:
    """The plan with the index for that scan whose filter keeps least."""
    scan = min(scans, key=lambda each: (each.kept_ratio, -each.rows))
    proposed = proposal(select.tree, scan, tables)
    shown = tables[scan.table].shown
    first = (shown, *(each for each in plan.scans if each != shown))
    index, index_cost = (proposed.indexes[0].ddl if proposed.indexes else ""), None
    tried = [each for each in proposed.indexes if each.full]
    if session.has_hypopg and tried:
        index, index_cost = _cheapest(session, tried, text, select.parameters)
        if scan.counted and index_cost > plan.cost / 2:
            index_cost = None  # the planner guesses a range; what the statement really returns speaks
    return msgspec.structs.replace(
        plan,
        scans=first,
        scanned_rows=scan.rows,
        kept_ratio=scan.kept_ratio,
        index=index,
        index_cost=index_cost,
        note=proposed.note,
    )


def _cheapest(session: _Session, indexes: Sequence[NewIndex], text: str, parameters: int) -> tuple[str, float]:
    """The index with the lowest planned cost, a shorter one when it is nearly as good; and that cost."""
    costs = [(cost(session.explain(text, parameters, each.full).tree), each) for each in indexes[:TRIED_INDEXES]]
    best = min(value for value, _ in costs)
    near = [(each.columns, value, each.ddl) for value, each in costs if value <= SIMPLER * best]
    _, value, ddl = min(near)
    return ddl, value


def _hypopg_schema(connection: Connection) -> str | None:
    """Where hypopg's functions are, if they are the ones in C."""
    row = connection.execute(
        "SELECT /* unslow */ n.nspname FROM pg_extension e"
        " JOIN pg_depend d ON d.refobjid = e.oid AND d.deptype = 'e'"
        " JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid"
        " JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang"
        " WHERE e.extname = 'hypopg' AND p.proname = 'hypopg_create_index' AND l.lanname = 'c'"
    ).fetchone()
    return sql.Identifier(row[0]).as_string(connection) if row else None


def _class(error: psycopg.Error) -> str:
    """What kind of error, without the server's text, which may quote the statement."""
    return f"{type(error).__name__} ({error.sqlstate})" if error.sqlstate else type(error).__name__


def _word(text: str) -> str:
    return "(" if text.startswith("(") else text.partition(" ")[0].lower()
