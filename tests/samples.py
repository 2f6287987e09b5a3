"""Evidence of a slow service that tests diagnose, with texts from a hostile world on request."""

from __future__ import annotations

import msgspec

from tests.checks.verbs import cpu, peer, profile, queries, requests, server, sockets, statement
from tests.evidences import evidence
from unslow.collect.items import items
from unslow.evidence import Evidence
from unslow.evidence.probe import Probe
from unslow.evidence.queries import Plan

SQL = "SELECT * FROM parcel WHERE owner = $1 ORDER BY sent DESC"
ENTRY = (
    "handle_request /venv/lib/site-packages/gunicorn/workers/gthread.py",
    "wsgi_app /venv/lib/site-packages/flask/app.py",
)


def slow(text: str = SQL, place: str = "view", **changes: object) -> Evidence:
    """A missing index behind `place`; `text` stands wherever a text from outside may stand."""
    view = f"{place} /srv/app.py"
    recorded = profile(
        ((*ENTRY, view, "do_execute /venv/lib/site-packages/sqlalchemy/engine/default.py"), "io", 9.0),
        ((*ENTRY, view), "run", 0.5),
        ((*ENTRY, view, "get /venv/lib/site-packages/redis/commands/core.py"), "gil", 0.5),
    )
    plan = Plan(
        query_id="1",
        text=text,
        plan=f"Seq Scan on parcel\n  Filter: {text}",
        cost=20_000.0,
        scans=("parcel",),
        scanned_rows=1e6,
        kept_ratio=0.0002,
        index="CREATE INDEX ON parcel (owner, sent)",
    )
    whole = evidence(
        requests=requests(*[80.0, 90.0, 100.0, 110.0, 120.0] * 20),
        sockets=sockets(peer(name=text[:60]), queued=0.02),
        server=server(workers=2, threads=4, worker_class="gthread"),
        cpu=cpu(busy_mean=2.0),
        profile=recorded,
        queries=queries(statement("1", text, 200, 17.0), plans=(plan,)),
        probes=(
            Probe(
                name="cache", rung="cache", started_s=1000.0, seconds=0.1, result="skipped", missing=text, remedy=text
            ),
        ),
    )
    whole = msgspec.structs.replace(whole, items=items(whole))
    return msgspec.structs.replace(whole, **changes)


def healthy() -> Evidence:
    return evidence(
        requests=requests(*[8.0, 9.0, 10.0] * 30),
        sockets=sockets(),
        server=server(),
        cpu=cpu(busy_mean=0.2),
        profile=profile(((*ENTRY, "view /srv/app.py"), "run", 1.0)),
    )
