"""From a source of spans to its report: the same steps on every engine, part by part where the source is large."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from unslow.spans import classes, forest, members, paths, totals
from unslow.spans import source as records
from unslow.spans.forest import OPERATIONS, Counts, Part, count
from unslow.spans.session import DuckSession, Session

MAX_OPERATIONS = 500
TOO_MANY = "operation beyond the 500 largest"
HURT = "unslow_hurt_traces"
HURT_TOGETHER = 500_000
"""Spans of damaged traces that are mended at a time."""
TOO_DEEP = "critical path deeper than 1,000 levels"


class OperationRow(msgspec.Struct, frozen=True, kw_only=True):
    """One operation; times in nanoseconds."""

    service: str
    name: str
    kind: str
    calls: int
    errors: int
    p50_ns: float
    p95_ns: float
    p99_ns: float
    self_ns: int
    """Of all calls together, as is `critical_path_ns`."""
    critical_path_ns: int
    typical_ns: float
    """On the critical path of a typical request, mean."""
    tail_ns: float
    """On the critical path of a slow request, mean."""
    calls_per_request: float

    @property
    def tail_excess_ns(self) -> float:
        return self.tail_ns - self.typical_ns


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Client span less server span: network, connecting and queueing before the server."""

    client_service: str
    client_name: str
    server_service: str
    server_name: str
    calls: int
    mean_ns: float


class Repeated(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that one span calls three times or more."""

    caller_service: str
    caller_name: str
    service: str
    name: str
    callers: int
    calls: int
    most: int


class SpanReport(msgspec.Struct, frozen=True, kw_only=True):
    engine: str
    spans: int
    traces: int
    requests: int
    typical_requests: int
    tail_requests: int
    sampled: float
    """Share of the traces that was looked at."""
    quantile_error: float
    """Relative, at most."""
    excluded: tuple[tuple[str, int], ...]
    repaired: tuple[tuple[str, int], ...]
    operations: tuple[OperationRow, ...]
    gaps: tuple[Gap, ...]
    repeated: tuple[Repeated, ...]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What of the source to look at."""

    service: str | None = None
    slower_than_ns: int = 0
    sampled: float = 1.0
    between: bool = True
    """Gaps between client and server, and repeated calls, too."""
    sql: bool = False
    """Only SQL, also where arrays would be faster."""

    @property
    def whole(self) -> bool:
        """Whether all requests are wanted, by the fastest way."""
        return self.service is None and self.slower_than_ns == 0 and not self.sql


def analyse(session: Session, source: str, parts: Sequence[str], wanted: Wanted | None = None) -> SpanReport:
    """The report on a source (a table or query with the columns of the canonical view).

    `parts` are SQL conditions that divide the source without cutting a trace. CannotLook when the engine fails.
    """
    wanted = wanted or Wanted()
    parts = [f"({part}) AND {_sampled(session, wanted.sampled)}" for part in parts]
    session.create(OPERATIONS, records.operations(session.dialect, source))
    kinds = {row[0] for row in session.rows(f"SELECT DISTINCT kind FROM {OPERATIONS}")}
    whole = [Part(session, source, part, {"producer", "consumer"} <= kinds) for part in parts]
    _classify(session, source, whole, wanted)
    counts, tables = Counts(), set[str]()
    if isinstance(session, DuckSession) and wanted.whole:
        traces = _by_arrays(session, whole, wanted, counts, tables)
    else:
        traces = sum(_by_sql(part, wanted, counts, tables) for part in whole)
    return _report(session, counts, traces, wanted)


def _by_sql(part: Part, wanted: Wanted, counts: Counts, tables: set[str]) -> int:
    _plant(part, wanted, counts)
    paths.cover(part)
    if not paths.walk(part):
        counts.repaired[TOO_DEEP] += 1
    totals.add_up(part.session, tables, between=wanted.between)
    return int(part.session.rows(f"SELECT count(DISTINCT t) FROM {forest.SPANS}")[0][0])


def _by_arrays(session: DuckSession, parts: Sequence[Part], wanted: Wanted, counts: Counts, tables: set[str]) -> int:
    """The same on arrays, all but the damaged traces: these are put together for SQL, since most parts have few."""
    from unslow.spans import arrays  # NumPy is for those who need it

    known = arrays.Operations(session)
    traces, waiting, flaws = 0, 0, Counter(counts.excluded)
    for number, part in enumerate(parts):
        added = arrays.add_up(part, session, known, counts, tables, between=wanted.between)
        flaws = Counter({reason: n for reason, n in counts.excluded.items() if reason in records.FLAWS})
        traces += added.traces
        waiting += added.hurt_spans
        counts.repaired[TOO_DEEP] += not added.ended
        session.take("unslow_hurt_here", {"t": added.hurt})
        totals.ensure(session, tables, HURT, "SELECT t FROM unslow_hurt_here")
        if waiting and (waiting > HURT_TOGETHER or number + 1 == len(parts)):
            among = " OR ".join(f"({one.where})" for one in parts[: number + 1]) if number + 1 < len(parts) else "1 = 1"
            rest = f"({among}) AND hash(trace_id) IN (SELECT t FROM {HURT})"
            traces += _by_sql(msgspec.structs.replace(part, where=rest), wanted, counts, tables)
            session.create(HURT, f"SELECT t FROM {HURT} WHERE 1 = 0")
            waiting = 0
        # What has no id or no time was counted with its part already.
        counts.excluded.update({reason: n - counts.excluded[reason] for reason, n in flaws.items()})
    return traces


def _sampled(session: Session, share: float) -> str:
    if share >= 1:
        return "1 = 1"
    return f"abs({session.dialect.hashed('trace_id')} % 10000) < {round(share * 10_000)}"


def _plant(part: Part, wanted: Wanted, counts: Counts) -> None:
    forest.plant(part, counts)
    if wanted.service is not None or wanted.slower_than_ns > 0:
        members.keep(part.session, wanted.service, wanted.slower_than_ns)


def _classify(session: Session, source: str, parts: Sequence[Part], wanted: Wanted) -> None:
    if wanted.service is None and wanted.slower_than_ns == 0:
        classes.entries_of_source(
            session, source, parts[0].where if len(parts) == 1 else _sampled(session, wanted.sampled)
        )
    else:
        for number, part in enumerate(parts):
            _plant(part, wanted, Counts())
            (session.append if number else session.create)(classes.ENTRIES, classes.entries_of_forest())
    classes.classify(session)


def _report(session: Session, counts: Counts, traces: int, wanted: Wanted) -> SpanReport:
    requests: dict[int, int] = dict(session.rows(f"SELECT c, sum(entries) FROM {totals.SHARES} GROUP BY c"))
    spans = int(session.rows(f"SELECT coalesce(sum(calls), 0) FROM {totals.SHARES}")[0][0])
    total = sum(int(one) for one in requests.values())
    typical, tail = int(requests.get(totals.TYPICAL, 0)), int(requests.get(totals.TAIL, 0))
    rows = _operations(session, total, typical, tail)
    dropped = count(
        session, f"(SELECT DISTINCT op FROM {totals.SHARES} one JOIN {OPERATIONS} own ON one.o = own.o) two"
    ) - len(rows)
    if dropped > 0:
        counts.excluded[TOO_MANY] += dropped
    return SpanReport(
        engine=session.dialect.name,
        spans=spans,
        traces=traces,
        requests=total,
        typical_requests=typical,
        tail_requests=tail,
        sampled=wanted.sampled,
        quantile_error=totals.RELATIVE_ERROR,
        excluded=tuple(sorted((reason, n) for reason, n in counts.excluded.items() if n)),
        repaired=tuple(sorted((reason, n) for reason, n in counts.repaired.items() if n)),
        operations=rows,
        gaps=_gaps(session) if wanted.between else (),
        repeated=_repeated(session) if wanted.between else (),
    )


def _operations(session: Session, requests: int, typical: int, tail: int) -> tuple[OperationRow, ...]:
    names = f"SELECT o AS w, op, service, name, kind, CASE WHEN status = 'error' THEN 1 ELSE 0 END AS failed FROM {OPERATIONS}"
    session.create(
        "unslow_rows_of_operations",
        f"""SELECT op, service, name, kind, CAST(sum(calls) AS BIGINT) AS calls, CAST(sum(calls * failed) AS BIGINT) AS errors,
            CAST(sum(own) AS BIGINT) AS own, CAST(sum(path) AS BIGINT) AS path,
            CAST(sum(CASE WHEN c = {totals.TYPICAL} THEN path ELSE 0 END) AS BIGINT) AS typical,
            CAST(sum(CASE WHEN c = {totals.TAIL} THEN path ELSE 0 END) AS BIGINT) AS tail
            FROM {totals.SHARES} one JOIN ({names}) own ON one.o = own.w GROUP BY op, service, name, kind""",
    )
    marks = ", ".join(
        f"max(CASE WHEN upto >= ceil({q} * n) AND upto - calls < ceil({q} * n) THEN total / calls END) AS q{number}"
        for number, q in enumerate((0.5, 0.95, 0.99))
    )
    quantiles = f"""SELECT op AS x, {marks} FROM (
          SELECT op, calls, total, sum(calls) OVER (PARTITION BY op ORDER BY bucket ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS upto,
            sum(calls) OVER (PARTITION BY op) AS n
          FROM (SELECT op, bucket, CAST(sum(calls) AS BIGINT) AS calls, CAST(sum(total) AS BIGINT) AS total
                FROM {totals.CALLS} one JOIN ({names}) own ON one.o = own.w GROUP BY op, bucket) two
        ) three GROUP BY op"""
    rows = session.rows(
        f"""SELECT service, name, kind, calls, errors, q0, q1, q2, own, path, typical, tail
            FROM unslow_rows_of_operations one JOIN ({quantiles}) four ON one.op = four.x
            ORDER BY path DESC, calls DESC, service, name, kind LIMIT {MAX_OPERATIONS}"""
    )
    return tuple(
        OperationRow(
            service=service,
            name=name,
            kind=kind,
            calls=int(calls),
            errors=int(errors),
            p50_ns=float(p50),
            p95_ns=float(p95),
            p99_ns=float(p99),
            self_ns=int(own),
            critical_path_ns=int(path),
            typical_ns=int(in_typical) / typical if typical else 0.0,
            tail_ns=int(in_tail) / tail if tail else 0.0,
            calls_per_request=int(calls) / requests if requests else 0.0,
        )
        for service, name, kind, calls, errors, p50, p95, p99, own, path, in_typical, in_tail in rows
    )


def _gaps(session: Session) -> tuple[Gap, ...]:
    rows = session.rows(_named(totals.GAPS, "sum(one.calls), sum(total)"))
    return tuple(
        Gap(
            client_service=client,
            client_name=client_name,
            server_service=server,
            server_name=server_name,
            calls=int(calls),
            mean_ns=int(total) / int(calls),
        )
        for client, client_name, server, server_name, calls, total in rows
    )


def _repeated(session: Session) -> tuple[Repeated, ...]:
    rows = session.rows(_named(totals.FANS, "sum(one.calls), sum(callers), max(most)"))
    return tuple(
        Repeated(
            caller_service=caller,
            caller_name=caller_name,
            service=service,
            name=name,
            callers=int(callers),
            calls=int(calls),
            most=int(most),
        )
        for caller, caller_name, service, name, calls, callers, most in rows
    )


def _named(table: str, sums: str) -> str:
    names = f"(SELECT op AS w, max(service) AS service, max(name) AS name FROM {OPERATIONS} GROUP BY op)"
    return f"""SELECT up.service AS s1, up.name AS n1, down.service AS s2, down.name AS n2, {sums}
        FROM {table} one JOIN {names} up ON one.o = up.w JOIN {names} down ON one.callee = down.w
        GROUP BY up.service, up.name, down.service, down.name
        ORDER BY 5 DESC, 1, 2, 3, 4 LIMIT {MAX_OPERATIONS}"""
