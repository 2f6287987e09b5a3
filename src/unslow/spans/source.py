"""The source as rows of integers: ids hashed once, damaged records marked, so that nothing later touches a text."""

from __future__ import annotations

from unslow.spans.dialect import Dialect

EARLIEST_NS = 946_684_800 * 10**9
"""2000-01-01: no tracer is older; an earlier time is an unset or scaled field."""
LATEST_NS = 4_102_444_800 * 10**9
"""2100-01-01."""
LONGEST_NS = 7 * 86_400 * 10**9

NO_ID, IMPOSSIBLE_TIME, NEGATIVE = "no id", "impossible time", "negative duration"

FLAWS = frozenset((NO_ID, IMPOSSIBLE_TIME, NEGATIVE))

COLUMNS = "t, s, p, o, a, d"
"""Trace, span, parent (NULL: none), operation (see `operations`), start and duration in nanoseconds."""

_SERVICE = "coalesce(nullif(service, ''), 'unknown')"
_NAME = "coalesce(nullif(name, ''), 'unnamed')"
_KIND = "coalesce(kind, 'unspecified')"
_STATUS = "coalesce(status, 'unset')"
_TRACE, _SPAN, _PARENT = "coalesce(trace_id, '')", "coalesce(span_id, '')", "coalesce(parent_span_id, '')"
# A record without an id is not sound, so the ids need no `coalesce`, which costs as much as the hash itself.
_ID = ("trace_id", "span_id")
_FLAW = f"""CASE WHEN {_TRACE} = '' OR {_SPAN} = '' THEN '{NO_ID}'
    WHEN start_ns IS NULL OR duration_ns IS NULL THEN '{IMPOSSIBLE_TIME}' WHEN duration_ns < 0 THEN '{NEGATIVE}'
    WHEN start_ns < {EARLIEST_NS} OR start_ns >= {LATEST_NS} OR duration_ns > {LONGEST_NS} THEN '{IMPOSSIBLE_TIME}'
    ELSE '' END"""
_SOUND = f"""(trace_id <> '' AND span_id <> '' AND duration_ns >= 0 AND duration_ns <= {LONGEST_NS}
    AND start_ns >= {EARLIEST_NS} AND start_ns < {LATEST_NS})"""


def resolved(dialect: Dialect, source: str, where: str, texts: str = "") -> str:
    """The sound rows of the source that satisfy `where`, as integers; with more columns on request."""
    hashed = dialect.hashed
    return f"""SELECT {hashed("trace_id")} AS t, {hashed(*_ID)} AS s,
        CASE WHEN parent_span_id <> '' THEN {hashed("trace_id", "parent_span_id")} END AS p,
        {_operation(dialect)} AS o, start_ns AS a, duration_ns AS d{texts}
        FROM {source} WHERE {_SOUND} AND {where}"""


def entries(dialect: Dialect, source: str, where: str) -> str:
    """(t, o, d) of the records that name no parent. It reads no more columns than it must."""
    hashed = dialect.hashed
    return f"""SELECT {hashed("trace_id")} AS t, {_operation(dialect)} AS o, duration_ns AS d FROM {source}
        WHERE {_PARENT} = '' AND trace_id <> '' AND duration_ns >= 0 AND duration_ns <= {LONGEST_NS} AND {where}"""


def size(source: str, where: str) -> str:
    return f"SELECT count(*) FROM {source} WHERE {where}"


def flaws(source: str, where: str) -> str:
    """(reason, count) of the records that are not sound."""
    return f"SELECT flaw, count(*) FROM (SELECT {_FLAW} AS flaw FROM {source} WHERE {where}) one WHERE flaw <> '' GROUP BY flaw"


def operations(dialect: Dialect, source: str) -> str:
    """The table of operations. o: by service, name, kind and status. op: without the status. v: the service."""
    hashed = dialect.hashed
    return f"""SELECT o, {hashed("service_", "name_", "kind_")} AS op, {hashed("service_")} AS v,
        service_ AS service, name_ AS name, kind_ AS kind, status_ AS status FROM
        (SELECT {_operation(dialect)} AS o, {_SERVICE} AS service_, {_NAME} AS name_, {_KIND} AS kind_,
         {_STATUS} AS status_ FROM (SELECT service, name, kind, status FROM {source} GROUP BY 1, 2, 3, 4) one) two"""


def _operation(dialect: Dialect) -> str:
    return dialect.hashed(*(dialect.text.format(column) for column in ("service", "name", "kind", "status")))


def best_reports(dialect: Dialect, source: str, where: str, wanted: str) -> str:
    """Of the spans in the table `wanted`, the best report of each.

    Of two records with one id the longer is kept: the other is an early or partial report of it.
    """
    order = f"d DESC, a, {_SERVICE} DESC, {_NAME} DESC, {_PARENT} DESC, {_KIND} DESC, {_STATUS} DESC"
    texts = ", service, name, parent_span_id, kind, status"
    return f"""SELECT {COLUMNS} FROM (SELECT {COLUMNS}, row_number() OVER (PARTITION BY s ORDER BY {order}) AS place
        FROM ({resolved(dialect, source, where, texts)}) one WHERE s IN (SELECT s FROM {wanted})) two WHERE place = 1"""


def span_texts(dialect: Dialect, source: str, where: str, wanted: str) -> str:
    """(s, sid): the ids as texts of the spans in the table `wanted`, for ties that only the text decides."""
    return f"""SELECT s, max(sid) AS sid FROM
        (SELECT {dialect.hashed(*_ID)} AS s, span_id AS sid FROM {source} WHERE {_SOUND} AND {where}) one
        WHERE s IN (SELECT s FROM {wanted}) GROUP BY s"""
