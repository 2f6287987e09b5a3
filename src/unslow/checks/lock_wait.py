"""Statements wait for a lock that another transaction holds.

Signature   sessions whose wait event is a lock, and the transaction that blocks them
Look-alike  missing_index: slow but not waiting; pool_exhausted: waits before a connection is had
Blind to    locks taken and given back between two readings; advisory use of rows by other systems
Reference   pg_stat_activity.wait_event_type = Lock, pg_blocking_pids
"""

from __future__ import annotations

from unslow.evidence.queries import Queries
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account, Line
from unslow.measure.significance import claim, is_excess, ms, total


def check(account: Account, queries: Queries | None = None) -> Finding | Clear | Skipped:
    lines = account.of_kind("db lock wait")
    if queries is None:
        return _of_a_file(account, lines)
    waiting = sum(wait.mean for wait in queries.waits if wait.wait_type == "Lock")
    measured = f"{waiting:.2f} sessions waited for a lock on average ({queries.wait_readings} readings)"
    if not is_excess(account, lines, normal=False):
        return Clear(measured)
    blocker = max(queries.blockers, key=lambda one: one.waiting_mean, default=None)
    held = (
        f"held by a session {blocker.state!r} for {blocker.transaction_age_s:.1f} s, last statement {blocker.text[:80]!r}"
        if blocker
        else "the holder was not seen"
    )
    return Finding(
        title="statements wait for a lock of another transaction",
        because=f"{measured}, {ms(total(lines))} a request; {held}",
        place=blocker.relation or blocker.text[:80] if blocker else "database locks",
        claims=claim(account, lines),
        confidence=0.95,
        next_steps=(
            "shorten the blocking transaction: commit before slow work, touch rows in one order",
            "set lock_timeout and idle_in_transaction_session_timeout for that role",
        ),
        fixes=("shorten_transaction",),
        evidence=("queries.waits",),
    )


def _of_a_file(account: Account, lines: tuple[Line, ...]) -> Finding | Skipped:
    """An embedded database has no sessions to look at: its clients sleep until the file is free."""
    if not is_excess(account, lines, normal=False):
        return Skipped("the database's sessions", REMEDY)
    return Finding(
        title="statements wait for the database file's lock",
        because=f"each request sleeps {ms(total(lines))} inside database calls",
        place="the database file",
        claims=claim(account, lines),
        confidence=0.85,
        next_steps=(
            "commit sooner in whatever writes to the same file: fuser -v FILE names it",
            "let readers go on beside a writer: write-ahead logging (SQLite: PRAGMA journal_mode=WAL)",
        ),
        fixes=("shorten_transaction",),
        evidence=("profile",),
    )


REMEDY = "give unslow a database login with pg_read_all_stats: --postgres DSN"
