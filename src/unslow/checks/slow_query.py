"""The database is slow and no more specific cause explains it.

Signature   request threads waiting for the database
Look-alike  missing_index, n_plus_one, lock_wait, cache_cold: each explains it better and takes precedence
Blind to    why: read the plan
Reference   pg_stat_statements
"""

from __future__ import annotations

from unslow.evidence.cluster import Services
from unslow.evidence.sockets import Sockets
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.cluster_cpu import free_it, stopped_behind, stops
from unslow.measure.significance import claim, is_excess, ms, total

RESTS_ON = ("profile",)


def check(account: Account, sockets: Sockets | None = None, services: Services | None = None) -> Finding | Clear:
    lines = account.of_kind("db query")
    measured = f"each request waits {ms(sum(line.now_s for line in lines))} for the database"
    if not is_excess(account, lines, normal=True):
        return Clear(measured)
    databases = {peer.name for peer in (sockets.peers if sockets else ()) if peer.kind == "postgresql"}
    stopped = stopped_behind(services, databases)
    top = max(lines, key=lambda line: line.excess_s)
    return Finding(
        title="the database answers slowly",
        because=f"{measured}; {ms(total((top,)))} of it in {top.place}{f'; {stops(stopped)}' if stopped else ''}",
        place=top.place,
        claims=claim(account, lines),
        confidence=0.7 if stopped else 0.4,
        next_steps=(
            *((free_it(stopped),) if stopped else ()),
            "read its plan: EXPLAIN (ANALYZE, BUFFERS) on a replica",
            "fetch fewer rows or columns, or cache the answer",
        ),
        fixes=(),
        evidence=("profile", "queries.statements", *(("services",) if stopped else ())),
    )
