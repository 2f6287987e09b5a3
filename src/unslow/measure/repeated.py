"""How often one request asks the database."""

from __future__ import annotations

import re

from unslow.evidence.queries import Queries, Statement
from unslow.evidence.sockets import Sockets

CONTROL = re.compile(
    r"\s*(begin|commit|rollback|start|savepoint|release|set|reset|show|discard|deallocate)\b", re.IGNORECASE
)
"""Transaction and session control comes with every piece of work; it is not a question asked again."""


def repeated_statements(queries: Queries, rate_per_s: float, many: float) -> tuple[tuple[Statement, float], ...]:
    """Statements with at least `many` calls per request, most calls first, with that number."""
    requests = rate_per_s * queries.seconds
    if requests <= 0:
        return ()
    asked = [statement for statement in queries.statements or () if not CONTROL.match(statement.text)]
    per_request = [(statement, statement.calls / requests) for statement in asked]
    repeated = [(statement, calls) for statement, calls in per_request if calls >= many]
    return tuple(sorted(repeated, key=lambda pair: (-pair[1], pair[0].query_id)))


def round_trips_per_request(sockets: Sockets | None, rate_per_s: float | None) -> float | None:
    """Messages to database servers per request, from the kernel's counts; None when there are none."""
    if sockets is None or not rate_per_s:
        return None
    counts = [peer.requests_per_s for peer in sockets.peers if peer.kind == "postgresql"]
    known = [count for count in counts if count is not None]
    return sum(known) / rate_per_s if known else None
