"""What the planted and walked spans come to, per operation: additive, so that parts of a large source can be summed."""

from __future__ import annotations

from unslow.spans.forest import KIDS, LEAF, OPERATIONS, SPANS
from unslow.spans.paths import COVERED, CUT, USED
from unslow.spans.session import Session

CALLS, SHARES, GAPS, FANS, CLASSES = (f"unslow_{name}" for name in ("calls", "shares", "gaps", "fans", "classes"))
"""Tables. calls: (o, bucket, calls, total) nanoseconds in logarithmic buckets of duration. shares: (c, o, calls, own, path, entries) by class of request. gaps: (o, callee, calls, total): client less server. fans: (o, callee, callers,
calls, most): calls of one operation under one span, from three up. classes: (t, c) of traces, see `TYPICAL`, `TAIL`.
"""

OTHER, TYPICAL, TAIL = 0, 1, 2
BUCKETS = 100
"""Per factor e: a quantile is the mean of the values in its bucket, at most 1 % from the value itself."""
RELATIVE_ERROR = 0.01
REPEATED = 3


def add_up(session: Session, tables: set[str], *, between: bool) -> None:
    """Add the planted spans to the tables; `tables` are those that exist, and becomes larger."""
    ensure(
        session,
        tables,
        CALLS,
        f"""SELECT o, CAST(floor(ln(d + 1) * {BUCKETS}) AS BIGINT) AS bucket, count(*) AS calls,
            CAST(sum(d) AS BIGINT) AS total FROM {SPANS} GROUP BY 1, 2""",
    )
    ensure(session, tables, SHARES, _shares())
    if between:
        ensure(session, tables, GAPS, _gaps())
        ensure(session, tables, FANS, _fans())


def ensure(session: Session, tables: set[str], table: str, select: str) -> None:
    """Add to a table, which is made when it is not there yet."""
    (session.append if table in tables else session.create)(table, select)
    tables.add(table)


def _shares() -> str:
    """Self time as duration less all children, then corrected where these overlap; path as self time, then corrected."""
    plain = f"""SELECT coalesce(c, {OTHER}) AS c, o, count(*) AS calls, CAST(sum(d - sd) AS BIGINT) AS own,
        CAST(sum(d - sd) AS BIGINT) AS path,
        CAST(sum(CASE WHEN p IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS entries
        FROM {SPANS} one LEFT JOIN {CLASSES} class ON one.t = class.t GROUP BY 1, 2"""
    covered = f"""SELECT coalesce(c, {OTHER}) AS c, o, 0 AS calls, CAST(sum(sd - cov) AS BIGINT) AS own,
        0 AS path, 0 AS entries FROM {COVERED} one LEFT JOIN {CLASSES} class ON one.t = class.t GROUP BY 1, 2"""
    walked = f"""SELECT coalesce(c, {OTHER}) AS c, o, 0 AS calls, 0 AS own, CAST(sum(extra) AS BIGINT) AS path, 0 AS entries
        FROM (SELECT one.t AS t, one.o AS o, coalesce(hi - lo, one.d) - taken - (one.d - one.sd) AS extra
                FROM {USED} one LEFT JOIN {CUT} cut ON one.s = cut.s
              UNION ALL SELECT t, o, CASE WHEN ison = 1 THEN hi - lo ELSE 0 END - (d - sd) AS extra
                FROM {CUT} WHERE ison = 0 OR f = {LEAF}) two
        LEFT JOIN {CLASSES} class ON two.t = class.t GROUP BY 1, 2"""
    return f"{plain} UNION ALL {covered} UNION ALL {walked}"


def _gaps() -> str:
    """A call with several server spans under it, or whose server outlived its client, says nothing of the network."""

    def ends(kind: str) -> str:
        return f"""(SELECT s, p, d, op, v FROM {SPANS} one JOIN
            (SELECT o AS w, op, v FROM {OPERATIONS} WHERE kind = '{kind}') own ON one.o = own.w)"""

    return f"""SELECT o, callee, count(*) AS calls, CAST(sum(gap) AS BIGINT) AS total FROM (
          SELECT client.s AS s, max(client.op) AS o, max(server.op) AS callee, max(client.d - server.d) AS gap, count(*) AS servers
          FROM {ends("server")} server JOIN {ends("client")} client ON server.p = client.s
          WHERE server.v <> client.v GROUP BY client.s
        ) one WHERE servers = 1 AND gap >= 0 GROUP BY o, callee"""


def _fans() -> str:
    names = f"(SELECT o AS w, op FROM {OPERATIONS})"
    return f"""SELECT o, callee, count(*) AS callers, CAST(sum(n) AS BIGINT) AS calls, max(n) AS most FROM (
          SELECT kid.p AS p, up.op AS o, own.op AS callee, count(*) AS n
          FROM {KIDS} kid JOIN {names} own ON kid.o = own.w JOIN {names} up ON kid.po = up.w
          GROUP BY kid.p, up.op, own.op HAVING count(*) >= {REPEATED}
        ) one GROUP BY o, callee"""
