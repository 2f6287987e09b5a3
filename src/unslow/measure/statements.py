"""Statements without their literals, and what one request costs in each of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec
import postgast
from postgast import pg_query_pb2 as pg

from unslow.evidence.queries import Queries, Statement, Wait

MANY = 10.0
"""Calls of one statement per request from which a loop in the application is the likely reason."""
CHEAP_S = 0.010
"""A call below this is a look-up; ten of them in a request are worth one statement, not ten faster ones."""
MAX_CHARACTERS = 20_000
"""Longer texts are cut before they are read: IN lists of megabytes say nothing more."""

_DATA = re.compile(r"[\s(]*(select|with|insert|update|delete|merge|values|table)\b[^;]*;?\s*\Z", re.IGNORECASE)
"""One statement that reads or writes rows: the parser then finds every literal but the 1 of ORDER BY 1."""
_NUMBERS = frozenset((pg.Token.Value("ICONST"), pg.Token.Value("FCONST")))
_STRINGS = frozenset(pg.Token.Value(name) for name in ("SCONST", "BCONST", "XCONST", "USCONST"))
_COMMENTS = frozenset((pg.Token.Value("SQL_COMMENT"), pg.Token.Value("C_COMMENT")))
_RAW = re.compile(
    r"""
    (?P<gone> --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<literal> (?:[eExXbBnN]|[uU]&)?'(?:[^'\\]|''|\\.)*(?:'|\\?\Z)
      | \$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
      | (?<![\w$."])\d[\w.]* )
  | (?P<kept> "[^"]*(?:"|\Z) )
    """,
    re.VERBOSE | re.DOTALL,
)


class PerRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One statement's share of one request."""

    query_id: str
    text: str
    calls: float
    exec_s: float
    mean_s: float
    """Of one call in the window."""
    before_mean_s: float | None
    """Of one call over the counters' life before the window; None when it never ran."""


def shape(text: str) -> str:
    """The statement without literals and comments, on one line; also when it was cut short or is no SQL."""
    text = text[:MAX_CHARACTERS]
    try:
        normal = postgast.normalize(text)
        return _scanned(normal, keep_numbers=_DATA.match(normal) is not None)
    except postgast.PgQueryError:
        return _masked(text)


def per_request(queries: Queries, rate_per_s: float) -> tuple[PerRequest, ...]:
    """Each statement that ran in the window, largest execution time first; empty without counters or a rate.

    `rate_per_s`: requests a second over the same window.
    """
    requests = rate_per_s * queries.seconds
    if requests <= 0:
        return ()
    ran = [statement for statement in queries.statements or () if statement.calls > 0]
    ran.sort(key=lambda statement: (-statement.exec_s, statement.query_id))
    return tuple(
        PerRequest(
            query_id=statement.query_id,
            text=statement.text,
            calls=statement.calls / requests,
            exec_s=statement.exec_s / requests,
            mean_s=statement.exec_s / statement.calls,
            before_mean_s=lifetime_mean_s(statement),
        )
        for statement in ran
    )


def lifetime_mean_s(statement: Statement) -> float | None:
    """Mean execution seconds of one call before the window; None when there was none."""
    return statement.lifetime_exec_s / statement.lifetime_calls if statement.lifetime_calls > 0 else None


def repeated_look_ups(loads: Iterable[PerRequest], many: float = MANY) -> tuple[PerRequest, ...]:
    """N+1 candidates: run `many` times or more per request while each call is cheap; most calls first."""
    found = [load for load in loads if load.calls >= many and load.mean_s < CHEAP_S]
    return tuple(sorted(found, key=lambda load: (-load.calls, load.query_id)))


def wait_shares(waits: Iterable[Wait]) -> dict[str, float]:
    """Share of the busy sessions by wait type, "" being on the CPU; sums to 1 when any was busy."""
    active = [wait for wait in waits if wait.state == "active"]
    total = sum(wait.mean for wait in active)
    shares: dict[str, float] = {}
    for wait in active:
        shares[wait.wait_type] = shares.get(wait.wait_type, 0.0) + wait.mean
    return {kind: mean / total for kind, mean in sorted(shares.items())} if total > 0 else {}


def _scanned(text: str, *, keep_numbers: bool) -> str:
    """Drop comments, and mask what literals normalising leaves in statements that are not data."""
    source = text.encode()
    out, end = bytearray(), 0
    for token in postgast.scan(text).tokens:
        if token.start > end:
            out += b" "
        end = token.end
        if token.token in _COMMENTS:
            out += b" "
        elif token.token in _STRINGS or (token.token in _NUMBERS and not keep_numbers):
            out += b"?"
        else:
            out += source[token.start : token.end]
    return _one_line(out.decode(errors="replace"))


def _masked(text: str) -> str:
    """By regular expression, for what the parser refuses: cut texts, other dialects."""
    return _one_line(_RAW.sub(lambda found: " " if found["gone"] else "?" if found["literal"] else found["kept"], text))


def _one_line(text: str) -> str:
    return re.sub(r"\(\s+", "(", re.sub(r"\s+([,;)])", r"\1", " ".join(text.split())))
