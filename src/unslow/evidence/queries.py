"""PostgreSQL: statements, waits, blockers, plans, settings."""

from __future__ import annotations

import msgspec


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One row of pg_stat_statements: the difference over the window, and the life before it."""

    query_id: str
    text: str
    """Normalised: literals are $1, $2 ..."""
    calls: float
    exec_s: float
    rows: float
    shared_blocks: float = 0.0
    lifetime_calls: float = 0.0
    lifetime_exec_s: float = 0.0


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Readings of pg_stat_activity with the same state, wait and statement, added up."""

    state: str
    """active, idle in transaction, ..."""
    wait_type: str
    """Lock, LWLock, Client, IO, ... or empty: on the CPU."""
    wait_event: str
    query_id: str
    text: str
    mean: float
    """Mean number of sessions in this condition."""


class Blocker(msgspec.Struct, frozen=True, kw_only=True):
    pid: int
    state: str
    text: str
    """Last statement of the blocking session, literals removed."""
    application: str
    transaction_age_s: float
    waiting_mean: float
    """Mean number of sessions that waited for it."""
    relation: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    query_id: str
    text: str
    plan: str
    """EXPLAIN's text, generic plan; the statement was not executed."""
    cost: float
    scans: tuple[str, ...] = ()
    """Tables read whole, largest first."""
    scanned_rows: float = 0.0
    """Rows of the largest table read whole."""
    kept_ratio: float | None = None
    """Share of the scanned rows that the filter keeps, by the planner's statistics."""
    index: str = ""
    """DDL of the index that would help; empty when none was found."""
    index_cost: float | None = None
    """Cost with that index, from hypopg; None when hypopg is absent (then `kept_ratio` speaks)."""
    note: str = ""
    """Why there is no index to propose, or what stands in the way of one that exists."""


class Queries(msgspec.Struct, frozen=True, kw_only=True):
    address: str
    version: str
    seconds: float
    """Length of the window between the two readings of the counters."""
    statements: tuple[Statement, ...] | None = None
    """None: pg_stat_statements is not there."""
    lifetime_s: float | None = None
    """Age of the counters at the start of the window."""
    waits: tuple[Wait, ...] = ()
    wait_readings: int = 0
    blockers: tuple[Blocker, ...] = ()
    plans: tuple[Plan, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    connections: int = 0
    max_connections: int = 0
    connections_opened_per_s: float | None = None
    """From pg_stat_database.sessions (PostgreSQL 14 and later)."""
    notes: tuple[str, ...] = ()
    """What could not be seen, each with the permission or setting that is missing."""
