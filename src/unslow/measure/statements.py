"""Statements without their literals."""

from __future__ import annotations

import re

import postgast
from postgast import pg_query_pb2 as pg

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


def shape(text: str) -> str:
    """The statement without literals and comments, on one line; also when it was cut short or is no SQL."""
    text = text[:MAX_CHARACTERS]
    try:
        normal = postgast.normalize(text)
        return _scanned(normal, keep_numbers=_DATA.match(normal) is not None)
    except postgast.PgQueryError:
        return _masked(text)


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
