"""Requests wait for a database connection from the application's own pool.

Signature   request threads inside the pool's checkout
Look-alike  connection_churn: no pool, every request connects; lock_wait: waits with a connection in hand
Blind to    pools outside the process (PgBouncer, RDS Proxy)
Reference   Little's law: connections needed = rate x time held
"""

from __future__ import annotations

from unslow.evidence.queries import Queries
from unslow.evidence.sockets import Sockets
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms

RESTS_ON = ("profile",)


def check(account: Account, sockets: Sockets | None = None, queries: Queries | None = None) -> Finding | Clear:
    lines = account.of_kind("db pool wait")
    measured = f"each request waits {ms(sum(line.now_s for line in lines))} for a pooled connection"
    if not is_excess(account, lines, normal=False):
        return Clear(measured)
    peers = [peer for peer in (sockets.peers if sockets else ()) if peer.kind == "postgresql"]
    if peers:
        measured += f", with {sum(peer.open_mean for peer in peers):.0f} connections open"
    held = [wait for wait in (queries.waits if queries else ()) if wait.state.startswith("idle in transaction")]
    if held:
        measured += f", {sum(wait.mean for wait in held):.1f} of them idle in a transaction"
    return Finding(
        title="the database connection pool is too small for how long connections are held",
        because=measured,
        place="database connection pool",
        claims=claim(account, lines),
        confidence=0.95,
        next_steps=(
            "give the connection back before slow calls that do not need it",
            "raise the pool's size, within the database's max_connections for all workers together"
            + (
                f" ({queries.connections} of {queries.max_connections} in use)"
                if queries and queries.max_connections
                else ""
            ),
        ),
        fixes=("raise_pool_size",),
        evidence=("profile", "sockets.peers"),
    )
