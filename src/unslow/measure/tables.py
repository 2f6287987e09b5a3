"""What the catalog says of a table, as far as choosing an index needs it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

Name = tuple[str, str]
"""(schema, table)."""
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
_WORDS = """
all analyse analyze and any array as asc both case cast check collate column constraint create default desc
distinct do else end except false fetch for foreign from grant group having in initially intersect into
lateral leading limit not null offset on only or order placing primary references returning select some
table then to trailing true union unique user using variadic when where window with
"""
_RESERVED = frozenset(_WORDS.split())
_UNSORTED_TYPES = frozenset(("json", "jsonb", "xml", "point", "box", "polygon", "path", "circle", "tsvector", "bytea"))
"""Types that a plain index has no order for, or none that a query asks for."""


class Column(msgspec.Struct, frozen=True):
    type: str
    distinct: float | None = None
    """Number of different values, by the planner's statistics."""

    @property
    def sortable(self) -> bool:
        return self.type.partition("(")[0] not in _UNSORTED_TYPES and not self.type.endswith("[]")


class Index(msgspec.Struct, frozen=True):
    name: str
    columns: tuple[str, ...]
    """Column names; an expression as its text in parentheses."""
    valid: bool = True
    partial: bool = False


class Table(msgspec.Struct, frozen=True):
    name: Name
    rows: float
    """By the planner's statistics."""
    columns: Mapping[str, Column]
    indexes: tuple[Index, ...] = ()

    @property
    def shown(self) -> str:
        """As SQL; `public` is left out."""
        schema, name = self.name
        return quoted(name) if schema == "public" else self.full

    @property
    def full(self) -> str:
        """As SQL, with the schema."""
        schema, name = self.name
        return f"{quoted(schema)}.{quoted(name)}"


def quoted(name: str) -> str:
    """An identifier, in quotes only where SQL needs them."""
    plain = _PLAIN.match(name) and name not in _RESERVED
    return name if plain else '"' + name.replace('"', '""') + '"'
