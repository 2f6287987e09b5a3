"""Requests open a new database connection each, instead of reusing one.

Signature   request threads inside the driver's connect, and new sessions at the rate of requests
Look-alike  pool_exhausted: waits for an existing connection; dns_slow: the name, before connecting
Blind to    connections that a proxy outside keeps for the application
Reference   a PostgreSQL connection costs a process start and a log-in: milliseconds, more with TLS
"""

from __future__ import annotations

from unslow.evidence.queries import Queries
from unslow.evidence.sockets import Sockets
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.in_app import FIXED_PLACE
from unslow.measure.significance import claim, is_excess, ms, total

RESTS_ON = ("profile",)


def check(account: Account, sockets: Sockets | None = None, queries: Queries | None = None) -> Finding | Clear:
    lines = tuple(line for line in account.of_kind("network") if line.place == FIXED_PLACE["connect"])
    measured = f"opening database connections takes {ms(sum(line.now_s for line in lines))} a request"
    opened = queries.connections_opened_per_s if queries else None
    if opened is None and sockets:
        opened = sum(peer.opened_per_s or 0.0 for peer in sockets.peers if peer.kind == "postgresql")
    if opened is not None and account.rate_per_s:
        measured += f", {opened / account.rate_per_s:.1f} new connections a request"
    if not is_excess(account, lines, normal=False):
        return Clear(measured)
    return Finding(
        title="every request opens new database connections",
        because=f"{measured}; {ms(total(lines))} more than with open ones",
        place="database connections",
        claims=claim(account, lines),
        confidence=0.95,
        next_steps=(
            "keep connections in a pool (SQLAlchemy QueuePool, psycopg_pool), or put PgBouncer or RDS Proxy between",
        ),
        fixes=("use_connection_pool",),
        evidence=("profile", "queries.connections"),
    )
