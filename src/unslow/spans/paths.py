"""The critical path in SQL, by the rules of `measure.critical_path`.

A span's share of the path is the part of it that all its ancestors leave it, less that of the children that
were chosen. Most spans lie within their parents beside no sibling, and nothing has to be done for them: what
they add is their self time. Only where children overlap or overrun does a walk begin, and it goes down only
as far as something is different.
"""

from __future__ import annotations

from unslow.spans import source as records
from unslow.spans.forest import KIDS, LEAF, SPANS, Part, count, waited_for

DEEPEST = 1_000
COVERED, CUT, USED = "unslow_covered", "unslow_cut", "unslow_used"
"""Tables. covered: (s, t, o, d, sd, cov, contested) nanoseconds of each head that its children cover. cut: spans not
wholly on the path, with the interval from `lo` to `hi` that is, if `ison`. used: (s, t, o, d, sd, taken) nanoseconds of each walked
span that its chosen children have.
"""

_FRONT, _STEP, _BELOW, _CHOSEN, _NEW = (f"unslow_{name}" for name in ("front", "step", "below", "chosen", "new"))
_KID = "s, t, o, a, d, sd, f"
_LO, _HI = "greatest(a, pa)", "least(a + d, pa + pd)"
_STATE = f"{_KID}, lo, hi, ison"
_DIRTY = "ison = 0 OR lo <> a OR hi <> a + d"
_CHANGED = "ison <> oldon OR (ison = 1 AND (lo <> oldlo OR hi <> oldhi))"
_TAKEN = f"""SELECT up AS s, CAST(sum(CASE WHEN ison = 1 THEN hi - lo ELSE 0 END) AS BIGINT) AS taken
    FROM {_NEW} WHERE pon = 1 GROUP BY up"""


def cover(part: Part) -> None:
    """Leave the table `covered`: the union of the children's intervals, each cut to the parent.

    Contested is also what only touches, and what a producer sent off.
    """
    session = part.session
    session.create(
        COVERED,
        f"""SELECT p AS s, max(t) AS t, max(po) AS o, max(pd) AS d, CAST(sum(d) AS BIGINT) AS sd, CAST(sum(CASE WHEN hi <= lo OR hi <= prev THEN 0 WHEN prev > lo THEN hi - prev ELSE hi - lo END)
              AS BIGINT) AS cov, max(CASE WHEN (lo < hi AND lo <= prev) OR w = 0 THEN 1 ELSE 0 END) AS contested
            FROM (SELECT p, t, po, pd, d, lo, hi, w, coalesce(max(CASE WHEN hi > lo THEN hi ELSE 0 END) OVER (PARTITION BY p ORDER BY lo
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS prev
                  FROM (SELECT p, t, po, pd, d, w, {_LO} AS lo, {_HI} AS hi FROM {KIDS}) one) two GROUP BY p""",
    )


def walk(part: Part) -> bool:
    """Leave the tables `cut` and `used`; False when it had to stop before the end of very deep traces.

    The table `covered` must be there.
    """
    session = part.session
    session.create(
        _BELOW,
        f"""SELECT {_KID}, w, p AS up, pa AS plo, pa + pd AS phi, 1 AS pon, a AS oldlo, a + d AS oldhi, 1 AS oldon
            FROM {KIDS} WHERE p IN (SELECT s FROM {COVERED} WHERE contested = 1)""",
    )
    _decide(part)
    session.create(
        USED,
        f"""SELECT one.s AS s, t, o, d, sd, coalesce(taken, cov) AS taken
            FROM {COVERED} one LEFT JOIN ({_TAKEN}) two ON one.s = two.s""",
    )
    alone = "CASE WHEN hi < lo OR (hi = lo AND d > 0) THEN 0 ELSE 1 END"
    session.create(
        CUT,
        f"""SELECT {_STATE} FROM {_NEW} WHERE {_DIRTY} UNION ALL SELECT {_KID}, lo, hi, {alone} AS ison
            FROM (SELECT *, {_LO} AS lo, {_HI} AS hi FROM {KIDS} WHERE a < pa OR a + d > pa + pd) one
            JOIN (SELECT s AS alone FROM {COVERED} WHERE contested = 0) other ON one.p = other.alone""",
    )
    session.create(_FRONT, f"SELECT s, t, o, d, sd, lo, hi, ison FROM {CUT} WHERE f <> {LEAF}")
    waited, joined = waited_for(part, "front", "kid")
    for _ in range(DEEPEST):
        if not count(session, _FRONT):
            return True
        session.create(
            _BELOW,
            f"""SELECT kid.s AS s, kid.t AS t, kid.o AS o, kid.a AS a, kid.d AS d, kid.sd AS sd, kid.f AS f, {waited} AS w,
                kid.p AS up, front.lo AS plo, front.hi AS phi, front.ison AS pon,
                coalesce(cut.lo, kid.a) AS oldlo, coalesce(cut.hi, kid.a + kid.d) AS oldhi, coalesce(cut.ison, 1) AS oldon
                FROM {SPANS} kid JOIN {_FRONT} front ON kid.p = front.s LEFT JOIN {CUT} cut ON kid.s = cut.s {joined}""",
        )
        _decide(part)
        session.remove(USED, "s", f"SELECT s FROM {_FRONT}")
        session.append(
            USED, f"SELECT one.s AS s, t, o, d, sd, taken FROM {_FRONT} one JOIN ({_TAKEN}) two ON one.s = two.s"
        )
        session.remove(CUT, "s", f"SELECT s FROM {_NEW}")
        session.append(CUT, f"SELECT {_STATE} FROM {_NEW} WHERE {_DIRTY}")
        session.create(_FRONT, f"SELECT s, t, o, d, sd, lo, hi, ison FROM {_NEW} WHERE ({_CHANGED}) AND f <> {LEAF}")
    return False


def _decide(part: Part) -> None:
    """The table `new`: the kids of `below` with what their parent leaves them, and whether they are chosen.

    Where none lies beside another or touches it all are chosen; elsewhere the list is walked from its end.
    """
    session = part.session
    session.create(
        _STEP,
        f"""SELECT {_KID}, up, phi, pon, oldlo, oldhi, oldon, lo, hi, CASE WHEN pon = 1 AND hi > lo AND lo <= coalesce(
              max(CASE WHEN hi > lo THEN hi ELSE 0 END) OVER (PARTITION BY up ORDER BY lo ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
              THEN 1 ELSE 0 END AS beside
            FROM (SELECT *, greatest(a, plo) AS lo, CASE WHEN w = 0 THEN greatest(a, plo) ELSE least(a + d, phi) END AS hi
                  FROM {_BELOW}) one""",
    )
    joined, picked = "", ""
    if count(session, f"{_STEP} WHERE beside = 1"):
        _choose(part)
        joined = f"""LEFT JOIN {_CHOSEN} chosen ON step.s = chosen.pick
            LEFT JOIN (SELECT DISTINCT up AS rival FROM {_STEP} WHERE beside = 1) contest ON step.up = contest.rival"""
        picked = "AND (pick IS NOT NULL OR rival IS NULL)"
    session.create(
        _NEW,
        f"""SELECT {_KID}, lo, hi, up, pon, oldlo, oldhi, oldon,
            CASE WHEN pon = 0 THEN 0 WHEN hi > lo {picked} THEN 1 WHEN d = 0 AND hi = lo THEN 1 ELSE 0 END AS ison
            FROM {_STEP} step {joined}""",
    )


def _choose(part: Part) -> None:
    """The table `chosen`: of siblings beside one another, those that the answer waited for."""
    session, contest, tied, texts, placed = (
        part.session,
        *(f"unslow_{name}" for name in ("contest", "tied", "texts", "placed")),
    )
    session.create(
        contest,
        f"""SELECT s, up, a, lo, hi, phi FROM {_STEP}
            WHERE hi > lo AND pon = 1 AND up IN (SELECT up FROM {_STEP} WHERE beside = 1)""",
    )
    session.create(
        tied,
        f"""SELECT one.s AS s FROM {contest} one JOIN (SELECT up, a, hi FROM {contest}
              GROUP BY up, a, hi HAVING count(*) > 1) tie ON one.up = tie.up AND one.a = tie.a AND one.hi = tie.hi""",
    )
    joined, sid = "", "''"
    if count(session, tied):
        session.create(texts, records.span_texts(session.dialect, part.source, part.where, tied))
        joined, sid = f"LEFT JOIN {texts} texts ON one.s = texts.s", "coalesce(sid, '')"
    dialect = session.dialect
    # The first to be met is always taken, and of two that lie beside one another nothing else is.
    session.create(
        placed,
        f"""SELECT up, phi + 1 AS reached, a, lo, hi, one.s AS s, {sid} AS sid,
            row_number() OVER (PARTITION BY up ORDER BY hi DESC, a, {sid}) AS place, count(*) OVER (PARTITION BY up) AS n
            FROM {contest} one {joined}""",
    )
    session.create(
        _CHOSEN,
        f"""SELECT s AS pick FROM {placed} WHERE n = 2 AND place = 1
            UNION ALL SELECT {dialect.each} AS pick FROM (SELECT {dialect.taken} AS taken FROM
              (SELECT up, reached, {dialect.kids} AS kids FROM {placed} WHERE n <> 2 GROUP BY up, reached) two) three""",
    )
