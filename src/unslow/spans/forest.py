"""Trees of spans in SQL: repeated and damaged spans mended or left out by the rules of `measure.span_tree`.

The fast way is one aggregation of the children by parent and one join. Only traces that hold an orphan,
a cycle or a skewed clock go the slow way, level by level from their roots, and come back mended.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from unslow.measure.span_tree import CLOCK_SKEW, CYCLE, DUPLICATE, MISSING_ROOT, ORPHAN, OVERRUN
from unslow.spans import source as records
from unslow.spans.session import Session
from unslow.spans.source import COLUMNS

DEEPEST = 1_000
"""Levels below a root; what lies deeper in a damaged trace is left out and counted."""
TOO_DEEP = "deeper than 1,000 levels"

OPERATIONS = "unslow_operations"
SPANS, HEADS, KIDS = "unslow_spans", "unslow_heads", "unslow_kids"
"""The tables of a planted forest.

spans: the columns of `source.COLUMNS`, `sd` nanoseconds of all children together, and `f`: `LEAF`, `PLAIN` or `HEAD`.
heads: the spans whose children overlap, overrun them, or are more than two. kids: the children of heads, with the
parent's interval as `pa`, `pd`, its operation `po`, and `w`, 0 where the parent does not wait.
"""
LEAF, PLAIN, HEAD = 0, 1, 2

_SUM = "coalesce(sum(CAST({} % 2147483647 AS BIGINT)), 0)"
_ROWS, _KIN, _HURT, _REACHED = (f"unslow_{name}" for name in ("rows", "kin", "hurt", "reached"))


class Counts:
    """What was left out and what was mended, by reason."""

    def __init__(self) -> None:
        self.excluded: Counter[str] = Counter()
        self.repaired: Counter[str] = Counter()


class Part(msgspec.Struct, frozen=True):
    """Rows of a source that hold whole traces."""

    session: Session
    source: str
    where: str
    messages: bool
    """Whether there are producers and consumers, for which nobody waits."""


def plant(part: Part, counts: Counts) -> None:
    """Leave the tables `spans`, `heads` and `kids`; the table `operations` must be there."""
    session = part.session
    session.create(_ROWS, records.resolved(session.dialect, part.source, part.where))
    _count_flaws(part, counts)
    _link(part, _ROWS, SPANS, HEADS, KIDS)
    if _may_repeat(session):
        _drop_repeated(part, counts)
        _link(part, _ROWS, SPANS, HEADS, KIDS)
    session.create(_HURT, _hurt(session))
    if count(session, _HURT):
        _mend(part, counts)
    counts.repaired[OVERRUN] += count(session, f"{KIDS} WHERE a < pa OR a + d > pa + pd")


def count(session: Session, rows: str) -> int:
    return int(session.rows(f"SELECT count(*) FROM {rows}")[0][0])


def waited_for(part: Part, up: str, kid: str) -> tuple[str, str]:
    """(1 or 0, joins): nobody waits for what a consumer does with the message of a producer."""
    if not part.messages:
        return "CAST(1 AS SMALLINT)", ""
    waited = "CAST(CASE WHEN producer IS NOT NULL AND consumer IS NOT NULL THEN 0 ELSE 1 END AS SMALLINT)"
    return waited, f"{_left_join('producer', up)} {_left_join('consumer', kid)}"


def _left_join(kind: str, rows: str) -> str:
    return f"LEFT JOIN (SELECT o AS {kind} FROM {OPERATIONS} WHERE kind = '{kind}') {kind}s ON {rows}.o = {kind}"


def _count_flaws(part: Part, counts: Counts) -> None:
    if count(part.session, _ROWS) < part.session.rows(records.size(part.source, part.where))[0][0]:
        counts.excluded.update(dict(part.session.rows(records.flaws(part.source, part.where))))


def _may_repeat(session: Session) -> bool:
    """Whether some span may be there twice.

    Two of one id have the same children. Without children, they are looked for among their like, which are few;
    with them, the spans are compared with the parents that were named: by number and by sum, which an orphan
    could only both have by chance.
    """
    leaves, distinct = session.rows(f"SELECT count(*), count(DISTINCT s) FROM {SPANS} WHERE f = {LEAF}")[0]
    found = session.rows(f"SELECT count(*), {_SUM.format('s')} FROM {SPANS} WHERE f <> {LEAF}")[0]
    named = session.rows(f"SELECT count(*), {_SUM.format('p')} FROM {_KIN} WHERE p IS NOT NULL")[0]
    return bool(leaves != distinct or found != named)


def _drop_repeated(part: Part, counts: Counts) -> None:
    session, source, where = part.session, part.source, part.where
    total, distinct = session.rows(f"SELECT count(*), count(DISTINCT s) FROM {_ROWS}")[0]
    if total == distinct:
        return
    counts.excluded[DUPLICATE] += total - distinct
    twins, best = "unslow_twins", "unslow_best"
    session.create(twins, f"SELECT s FROM {_ROWS} GROUP BY s HAVING count(*) > 1")
    session.create(best, records.best_reports(session.dialect, source, where, twins))
    session.remove(_ROWS, "s", f"SELECT s FROM {twins}")
    session.append(_ROWS, f"SELECT {COLUMNS} FROM {best}")


def _link(part: Part, rows: str, spans: str, heads: str, kids: str) -> None:
    """Make the three tables out of sound rows, and the table `kin` of parents, one of them NULL."""
    session = part.session
    session.create(
        _KIN,
        f"""SELECT p, count(*) AS n, sum(d) AS sd, min(a) AS klo, max(a + d) AS khi
            FROM {rows} GROUP BY p""",
    )
    produces, producers = "", ""
    if part.messages:
        produces = "OR producer IS NOT NULL"
        producers = _left_join("producer", "one")
    session.create(
        spans,
        f"""SELECT t, s, one.p AS p, o, a, d, CAST(coalesce(sd, 0) AS BIGINT) AS sd, CAST(CASE WHEN n IS NULL THEN {LEAF}
            WHEN n > 2 OR (n = 2 AND sd >= khi - klo) OR klo < a OR khi > a + d OR (klo = a AND khi >= a + d) {produces}
            THEN {HEAD} ELSE {PLAIN} END AS SMALLINT) AS f
            FROM {rows} one LEFT JOIN {_KIN} kin ON one.s = kin.p {producers}""",
    )
    session.create(heads, f"SELECT s, t, o, a, d, sd FROM {spans} WHERE f = {HEAD}")
    waited, joined = waited_for(part, "head", "kid")
    session.create(
        kids,
        f"""SELECT kid.t AS t, kid.s AS s, kid.p AS p, kid.o AS o, kid.a AS a, kid.d AS d, kid.sd AS sd, kid.f AS f,
            head.a AS pa, head.d AS pd, head.o AS po, {waited} AS w
            FROM {spans} kid JOIN {heads} head ON kid.p = head.s {joined}""",
    )


def _hurt(session: Session) -> str:
    """Traces with a callee that seems to start before its caller on another host, with a cycle, with an orphan."""
    parts = [
        f"""SELECT t FROM {KIDS} kid JOIN (SELECT o AS w, v FROM {OPERATIONS}) own ON kid.o = own.w
            JOIN (SELECT o AS w, v FROM {OPERATIONS}) up ON kid.po = up.w WHERE a < pa AND own.v <> up.v"""
    ]
    circling = _circling(session)
    if circling:
        parts.append(f"SELECT t FROM {circling}")
    if count(session, f"{_KIN} WHERE p IS NOT NULL") != count(session, f"{SPANS} WHERE f <> {LEAF}"):
        parts.append(f"SELECT t FROM {_ROWS} WHERE p IS NOT NULL AND p NOT IN (SELECT s FROM {_ROWS})")
    return f"SELECT DISTINCT t FROM ({' UNION ALL '.join(parts)}) one"


def _circling(session: Session) -> str:
    """Name of a table of traces with a cycle of parents, or nothing.

    Where every child starts after its parent there is no cycle. One that starts before it, or with it and
    ends no earlier, climbs from parent to parent until it meets itself, a root, or one that is earlier than
    itself: the earliest of a cycle has such a child's place and meets none.
    """
    climbers, step, found = "unslow_climbers", "unslow_step", "unslow_circling"
    session.create(
        climbers,
        f"SELECT s AS me, t, a AS ma, d AS md, p AS node FROM {KIDS} WHERE a < pa OR (a = pa AND d >= pd)",
    )
    met = False
    for _ in range(DEEPEST):
        if not count(session, climbers):
            return found if met else ""
        session.create(
            step,
            f"""SELECT me, climber.t AS t, ma, md, one.s AS node, one.p AS up FROM {climbers} climber
                JOIN {SPANS} one ON one.s = climber.node
                WHERE one.a > ma OR (one.a = ma AND one.d <= md)""",
        )
        home = f"SELECT t FROM {step} WHERE me = node OR me = up"
        if count(session, f"({home}) one"):
            (session.append if met else session.create)(found, home)
            met = True
        caught = f" AND t NOT IN (SELECT t FROM {found})" if met else ""
        session.create(climbers, f"SELECT me, t, ma, md, up AS node FROM {step} WHERE up IS NOT NULL{caught}")
    return climbers  # too far to climb: the slow way will tell


def _mend(part: Part, counts: Counts) -> None:
    """Walk the hurt traces from their roots, and put what was reached in the place of what was there."""
    session, broken, hurt = part.session, "unslow_broken", f"SELECT t FROM {_HURT}"
    session.create(
        broken,
        f"""SELECT {COLUMNS}, v FROM {_ROWS} one JOIN (SELECT o AS w, v FROM {OPERATIONS}) own ON one.o = own.w
            WHERE t IN ({hurt})""",
    )
    _reach(session, broken, counts)
    mended = tuple(f"{table}_mended" for table in (_ROWS, SPANS, HEADS, KIDS))
    session.create(mended[0], f"SELECT {COLUMNS} FROM {_REACHED} WHERE keep = 1")
    _link(part, *mended)
    for table in (SPANS, HEADS, KIDS):
        session.remove(table, "t", hurt)
        session.append(table, f"SELECT * FROM {table}_mended")


def _reach(session: Session, broken: str, counts: Counts) -> None:
    """The table `reached`: the broken rows with mended starts, `keep` 0 below orphans of a trace that has a root.

    Only a callee of another service that starts before its caller proves a wrong clock. It is put in the
    middle of the caller's time, and what runs on its host moves along.
    """
    tops, zero = "unslow_tops", "CAST(0 AS BIGINT)"
    session.create(
        tops,
        f"""SELECT one.t AS t, one.s AS s, one.p AS p, one.o AS o, one.a AS a, one.d AS d, one.v AS v,
            CASE WHEN one.p IS NOT NULL AND rooted.t IS NOT NULL THEN {zero} ELSE CAST(1 AS BIGINT) END AS keep
            FROM {broken} one LEFT JOIN (SELECT s AS us FROM {broken}) up ON one.p = up.us
            LEFT JOIN (SELECT DISTINCT t FROM {broken} WHERE p IS NULL) rooted ON one.t = rooted.t
            WHERE up.us IS NULL""",
    )
    counts.repaired[MISSING_ROOT] += count(session, f"{tops} WHERE keep = 1 AND p IS NOT NULL")
    spare = "CAST(floor(greatest(up.d - kid.d, 0) / 2.0) AS BIGINT)"
    early = "kid.v <> up.v AND kid.a < up.a"
    delta = f"CASE WHEN kid.v = up.v THEN up.delta WHEN {early} THEN up.a + {spare} - kid.a ELSE {zero} END"
    session.create(
        _REACHED,
        f"""WITH RECURSIVE tree AS (
              SELECT t, s, CASE WHEN keep = 0 THEN p END AS p, o, a, d, v, {zero} AS delta, keep, {zero} AS skewed,
                {zero} AS depth FROM {tops}
              UNION ALL
              SELECT kid.t AS t, kid.s AS s, kid.p AS p, kid.o AS o, kid.a + {delta} AS a, kid.d AS d, kid.v AS v,
                {delta} AS delta, up.keep AS keep, CASE WHEN {early} THEN up.keep ELSE {zero} END AS skewed,
                up.depth + 1 AS depth
              FROM {broken} kid JOIN tree up ON kid.p = up.s WHERE up.depth < {DEEPEST}
            ) SELECT t, s, p, o, a, d, keep, skewed, depth FROM tree""",
    )
    reached, kept, skewed, deepest = session.rows(
        f"SELECT count(*), coalesce(sum(keep), 0), coalesce(sum(skewed), 0), coalesce(max(depth), 0) FROM {_REACHED}"
    )[0]
    counts.repaired[CLOCK_SKEW] += skewed
    counts.excluded[ORPHAN] += reached - kept
    counts.excluded[CYCLE if deepest < DEEPEST else TOO_DEEP] += count(session, broken) - reached
