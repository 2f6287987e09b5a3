"""One request runs the same cheap statement many times.

Signature   ten or more calls of one statement per request, or lazy loading in the stacks
Look-alike  missing_index: few calls, each slow; connection_churn: each call on a new connection
Blind to    loops over several databases; statements whose text differs at each call
Reference   pg_stat_statements calls / requests; by milliseconds alone the database looks idle
"""

from __future__ import annotations

from unslow.evidence.profile import Profile
from unslow.evidence.queries import Queries
from unslow.evidence.sockets import Sockets
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.repeated import repeated_statements, round_trips_per_request
from unslow.measure.significance import claim, is_excess, ms, total

MANY = 10
"""Calls of one statement per request; a page that needs ten look-ups can ask for them at once."""


def check(
    account: Account, queries: Queries | None = None, sockets: Sockets | None = None, profile: Profile | None = None
) -> Finding | Clear | Skipped:
    if queries is not None and queries.statements is not None and account.rate_per_s:
        return _from_counters(queries, account)
    trips = round_trips_per_request(sockets, account.rate_per_s)
    if trips is None:
        return Skipped("statement counts per request", "give unslow a database login: --postgres DSN")
    measured = f"{trips:.0f} round trips to the database a request (kernel counts)"
    lines = account.of_kind("db query")
    if trips < 2 * MANY or not is_excess(account, lines, normal=False):
        return Clear(measured)
    return Finding(
        title="one request asks the database again and again",
        because=f"{measured}, {ms(total(lines))} in all",
        place=max(lines, key=lambda line: line.excess_s).place,
        claims=claim(account, lines),
        confidence=0.6,
        next_steps=("load the related rows at once: a join, selectinload, or WHERE id = ANY(...)",),
        fixes=("eager_loading",),
        evidence=("sockets.peers",),
    )


def _from_counters(queries: Queries, account: Account) -> Finding | Clear:
    repeated = repeated_statements(queries, account.rate_per_s or 0.0, MANY)
    if not repeated:
        return Clear(f"no statement runs {MANY} times or more a request")
    ids = {statement.query_id for statement, _ in repeated}
    lines = tuple(line for line in account.of_kind("db query") if line.detail in ids)
    statement, calls = repeated[0]
    measured = f"{calls:.0f} calls a request of {statement.text[:80]!r}"
    if not is_excess(account, lines, normal=False):
        return Clear(f"{measured}, {ms(total(lines))} in all")
    return Finding(
        title="one request runs the same statement again and again (N+1)",
        because=f"{measured}, {statement.exec_s / statement.calls * 1e3:.2f} ms each in the database; {ms(total(lines))} in all",
        place=statement.text[:80],
        claims=claim(account, lines),
        confidence=0.92,
        next_steps=("load the related rows at once: a join, selectinload, or WHERE id = ANY(...)",),
        fixes=("eager_loading",),
        evidence=("queries.statements",),
    )
