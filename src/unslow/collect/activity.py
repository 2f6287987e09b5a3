"""Readings of pg_stat_activity: who is busy, what each waits for, and who holds it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from unslow.evidence.queries import Blocker, Wait
from unslow.measure.statements import shape

SESSIONS = """
SELECT /* unslow */ pid, datname = current_database(), backend_type, coalesce(state, ''),
       coalesce(wait_event_type, ''), coalesce(wait_event, ''), {query_id}, query, application_name,
       coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::float8,
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{{}}' END
FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND application_name <> 'unslow'
  AND (state IS DISTINCT FROM 'idle' OR pid IN (
    SELECT unnest(pg_blocking_pids(waiter.pid)) FROM pg_stat_activity waiter WHERE wait_event_type = 'Lock'))
"""
"""An idle session is of interest when it holds a session-level lock that another waits for."""
RELATION = """
SELECT /* unslow */ relation::regclass::text FROM pg_locks
WHERE pid = %s AND relation IS NOT NULL AND (NOT granted OR locktype = 'tuple')
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY granted, locktype DESC LIMIT 1
"""
HIDDEN = "<insufficient privilege>"
MAX_CHAIN = 50
"""Longest chain of waiting sessions that is followed to its head."""


@dataclass(frozen=True, slots=True)
class Session:
    pid: int
    here: bool
    """In the application's database."""
    kind: str
    state: str
    wait_type: str
    wait_event: str
    query_id: str
    query: str = field(repr=False)
    application: str
    transaction_age_s: float
    blockers: Sequence[int]


@dataclass(slots=True)
class _Held:
    """What is known so far of one session that others wait for."""

    state: str
    text: str
    application: str
    transaction_age_s: float = 0.0
    waiting: int = 0
    relation: str = ""


class Activity:
    """Adds up readings; texts lose their literals on the way in."""

    def __init__(self) -> None:
        self.readings = 0
        self.hidden = False
        """Whether sessions of other users were seen without their state."""
        self._waits: dict[tuple[str, str, str, str, str], int] = {}
        self._held: dict[int, _Held] = {}
        self._shapes: dict[str, str] = {}

    def read(self, connection: psycopg.Connection[Any]) -> None:
        """Take one reading; raises psycopg.Error when the server does not answer in time."""
        query_id = "coalesce(query_id::text, '')" if connection.info.server_version >= 140_000 else "''"
        rows = connection.execute(SESSIONS.format(query_id=query_id).encode()).fetchall()
        sessions = {row[0]: Session(*row) for row in rows}
        self.add(sessions)
        for pid, waiter in _first_waiters(sessions).items():
            held = self._held.get(pid)
            if held and not held.relation:
                found = connection.execute(RELATION, (waiter,)).fetchone()
                held.relation = found[0].removeprefix("public.") if found else ""

    def add(self, sessions: Mapping[int, Session]) -> None:
        """Count one reading, keyed by process id."""
        self.readings += 1
        for session in sessions.values():
            if session.query == HIDDEN:
                self.hidden = True
            elif session.here and session.kind == "client backend" and session.state not in {"", "idle"}:
                key = (
                    session.state,
                    session.wait_type,
                    session.wait_event,
                    session.query_id,
                    self._shape(session.query),
                )
                self._waits[key] = self._waits.get(key, 0) + 1
        for session in sessions.values():
            if session.here and session.blockers:
                for pid in heads(session.pid, sessions):
                    self._hold(pid, sessions)

    def waits(self, ids: Mapping[str, str]) -> tuple[Wait, ...]:
        """Mean sessions per condition, most first. `ids`: query ids by text, for servers that tell none."""
        found: dict[tuple[str, str, str, str, str], int] = {}
        for (state, kind, event, query_id, text), count in self._waits.items():
            key = (state, kind, event, query_id or ids.get(text, ""), text)
            found[key] = found.get(key, 0) + count
        return tuple(
            Wait(
                state=state,
                wait_type=kind,
                wait_event=event,
                query_id=query_id,
                text=text,
                mean=count / self.readings,
            )
            for (state, kind, event, query_id, text), count in sorted(
                found.items(), key=lambda item: (-item[1], item[0])
            )
        )

    def blockers(self) -> tuple[Blocker, ...]:
        """Sessions at the head of a queue, the longest queue first."""
        return tuple(
            Blocker(
                pid=pid,
                state=held.state,
                text=held.text,
                application=held.application,
                transaction_age_s=held.transaction_age_s,
                waiting_mean=held.waiting / self.readings,
                relation=held.relation,
            )
            for pid, held in sorted(self._held.items(), key=lambda item: (-item[1].waiting, item[0]))
        )

    def _hold(self, pid: int, sessions: Mapping[int, Session]) -> None:
        holder = sessions.get(pid)
        held = self._held.get(pid)
        if held is None:
            held = self._held[pid] = _Held("prepared transaction" if pid == 0 else "unknown", "", "")
        if holder is not None:
            held.state, held.application = holder.state or "unknown", holder.application[:64]
            held.text = "" if holder.query == HIDDEN else self._shape(holder.query)
            held.transaction_age_s = max(held.transaction_age_s, holder.transaction_age_s)
        held.waiting += 1

    def _shape(self, query: str) -> str:
        known = self._shapes.get(query)
        if known is None:
            known = self._shapes[query] = shape(query)
        return known


def heads(pid: int, sessions: Mapping[int, Session]) -> frozenset[int]:
    """The sessions that `pid` waits for in the end: those that wait for no other; empty in a deadlock."""
    found: set[int] = set()
    seen, following = {pid}, list(sessions[pid].blockers)
    while following and len(seen) < MAX_CHAIN:
        one = following.pop()
        if one in seen:
            continue
        seen.add(one)
        onward: Sequence[int] = sessions[one].blockers if one in sessions else ()
        following.extend(onward)
        if not onward:
            found.add(one)
    return frozenset(found)


def _first_waiters(sessions: Mapping[int, Session]) -> dict[int, int]:
    """For each head of a queue one session that waits for it."""
    return {
        head: session.pid
        for session in sessions.values()
        if session.here and session.blockers
        for head in heads(session.pid, sessions)
    }
