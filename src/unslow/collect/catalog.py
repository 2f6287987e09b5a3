"""What the catalog says of the tables and types in a statement, and whether planning it is harmless.

Planning can evaluate functions that hang on a table: in policies, index expressions, CHECK
constraints, generated columns. Only built-in code and code in C is let through.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

import psycopg

from unslow.measure.explainable import RefusedError, Select
from unslow.measure.tables import Column, Index, Name, Table

Connection = psycopg.Connection[Any]

MAX_RELATIONS = 300
"""Partitions included; more make even planning expensive."""

_RESOLVE: LiteralString = """
SELECT c.oid, n.nspname, c.relname, c.relkind::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %s AND n.nspname = ANY(%s::name[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY array_position(%s::name[], n.nspname) LIMIT 1
"""
_FAMILY: LiteralString = """
WITH RECURSIVE family(root, oid) AS (
  SELECT oid, oid FROM unnest(%s::oid[]) AS oid
  UNION SELECT f.root, i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.oid
)
SELECT f.root, c.oid, n.nspname, c.relname, c.relkind::text, greatest(c.reltuples, 0)::float8
FROM family f JOIN pg_class c ON c.oid = f.oid JOIN pg_namespace n ON n.oid = c.relnamespace
LIMIT %s
"""
# Dependencies on functions, directly or through operators and operator classes, of all that the planner
# reads and may evaluate. Objects below 16384 are PostgreSQL's own.
_FOREIGN_CODE: LiteralString = """
WITH looked_at(classid, objid) AS (
  SELECT 'pg_class'::regclass, oid FROM unnest(%(family)s::oid[]) AS oid
  UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = ANY(%(family)s::oid[])
  UNION ALL SELECT 'pg_policy'::regclass, oid FROM pg_policy WHERE polrelid = ANY(%(family)s::oid[])
  UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint
    WHERE conrelid = ANY(%(family)s::oid[]) AND contype IN ('c', 'x')
  UNION ALL SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext
    WHERE stxrelid = ANY(%(family)s::oid[])
  UNION ALL SELECT 'pg_attrdef'::regclass, d.oid FROM pg_attrdef d JOIN pg_attribute a
    ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE d.adrelid = ANY(%(family)s::oid[]) AND a.attgenerated <> ''
), used AS (
  SELECT d.refclassid, d.refobjid
  FROM looked_at l JOIN pg_depend d ON d.classid = l.classid AND d.objid = l.objid
  WHERE d.refobjid >= 16384
), functions(oid) AS (
  SELECT refobjid FROM used WHERE refclassid = 'pg_proc'::regclass
  UNION SELECT f FROM used JOIN pg_operator o ON o.oid = refobjid,
    LATERAL unnest(ARRAY[o.oprcode, o.oprrest, o.oprjoin]::oid[]) f WHERE refclassid = 'pg_operator'::regclass
  UNION SELECT p.amproc::oid FROM used JOIN pg_opclass c ON c.oid = refobjid
    JOIN pg_amproc p ON p.amprocfamily = c.opcfamily WHERE refclassid = 'pg_opclass'::regclass
  UNION SELECT o.oprcode::oid FROM used JOIN pg_opclass c ON c.oid = refobjid
    JOIN pg_amop a ON a.amopfamily = c.opcfamily JOIN pg_operator o ON o.oid = a.amopopr
    WHERE refclassid = 'pg_opclass'::regclass
)
SELECT p.proname FROM functions f JOIN pg_proc p ON p.oid = f.oid JOIN pg_language l ON l.oid = p.prolang
WHERE p.oid >= 16384 AND l.lanname NOT IN ('internal', 'c') LIMIT 1
"""
_COLUMNS: LiteralString = """
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), s.n_distinct::float8,
       coalesce(nullif(t.typelem, 0), nullif(t.typbasetype, 0), t.oid)
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
  SELECT n_distinct FROM pg_stats s
  WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
  ORDER BY s.inherited DESC LIMIT 1
) s ON true
WHERE a.attrelid = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
"""
_INDEXES: LiteralString = """
SELECT i.indrelid, c.relname, i.indisvalid AND i.indisready, i.indpred IS NOT NULL,
       array(SELECT coalesce(a.attname::text, '(' || pg_get_indexdef(i.indexrelid, k, true) || ')')
             FROM generate_series(1, i.indnkeyatts::int) k
             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = nullif(i.indkey[k - 1], 0)
             ORDER BY k)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ANY(%s) ORDER BY c.relname
"""
# Types: PostgreSQL's own, and enums without casts written by users.
_HARMLESS_TYPES: LiteralString = """
SELECT t.oid FROM pg_type t WHERE t.oid = ANY(%s) AND (t.oid < 16384 OR t.typtype = 'e') AND NOT EXISTS (
  SELECT 1 FROM pg_cast c JOIN pg_proc p ON p.oid = c.castfunc JOIN pg_language l ON l.oid = p.prolang
  WHERE t.oid IN (c.castsource, c.casttarget) AND p.oid >= 16384 AND l.lanname NOT IN ('internal', 'c'))
"""
_ENUM: LiteralString = """
SELECT t.oid, n.nspname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typname = %s AND n.nspname = ANY(%s::name[]) ORDER BY array_position(%s::name[], n.nspname) LIMIT 1
"""


def schemas(connection: Connection) -> tuple[str, ...]:
    """The application's search path; afterwards the session's own is pg_catalog alone."""
    connection.execute("RESET search_path")
    row = connection.execute("SELECT /* unslow */ pg_catalog.current_schemas(false)").fetchone()
    connection.execute("SET search_path = pg_catalog, pg_temp")
    return tuple(row[0]) if row else ()


def complete(select: Select, connection: Connection, path: tuple[str, ...]) -> dict[Name, Table]:
    """Write full names into the statement; facts of its tables and their partitions, by full name.

    Raises `RefusedError` when a name is unknown or planning could run code of users.
    """
    roots = {_qualify(node, connection, path) for node in select.tables}
    _qualify_types(select, connection, path)
    if not roots:
        return {}
    family = connection.execute(_FAMILY, (sorted(roots), MAX_RELATIONS + 1)).fetchall()
    if len(family) > MAX_RELATIONS:
        raise RefusedError(f"more than {MAX_RELATIONS} partitions")
    if any(row[4] not in {"r", "p"} for row in family):
        raise RefusedError("it reads a view or a foreign table")
    oids = sorted({row[1] for row in family})
    foreign = connection.execute(_FOREIGN_CODE, {"family": oids}).fetchone()
    if foreign:
        raise RefusedError("planning it would evaluate a function written by users")
    return _tables(family, connection, select.columns)


def _qualify(node: Any, connection: Connection, path: tuple[str, ...]) -> int:
    within = [node.schemaname] if node.schemaname else list(path)
    row = connection.execute(_RESOLVE, (node.relname, within, within)).fetchone()
    if row is None:
        raise RefusedError("it names a table that is not on the search path")
    if row[0] < 16384:
        raise RefusedError("it reads the system catalog")
    node.schemaname = row[1]
    return int(row[0])


def _qualify_types(select: Select, connection: Connection, path: tuple[str, ...]) -> None:
    found = []
    for node in select.types:
        row = connection.execute(_ENUM, (node.names[-1].string.sval, list(path), list(path))).fetchone()
        if row is None:
            raise RefusedError("it casts to a type that is not known to be harmless")
        found.append(row[0])
        name = node.names[-1].string.sval
        del node.names[:]
        for part in (row[1], name):
            node.names.add().string.sval = part
    _require_harmless(found, connection, "it casts to a type of users")


def _require_harmless(types: list[int], connection: Connection, why: str) -> None:
    if types and len(connection.execute(_HARMLESS_TYPES, (types,)).fetchall()) < len(set(types)):
        raise RefusedError(why)


def _tables(family: list[Any], connection: Connection, used: frozenset[str]) -> dict[Name, Table]:
    roots = sorted({row[0] for row in family})
    columns: dict[int, dict[str, Column]] = {root: {} for root in roots}
    rows = {root: sum(row[5] for row in family if row[0] == root and row[4] == "r") for root in roots}
    types: list[int] = []
    for owner, name, type_, distinct, base in connection.execute(_COLUMNS, (roots,)).fetchall():
        columns[owner][name] = Column(type_, _distinct(distinct, rows[owner]))
        if name in used:
            types.append(base)
    _require_harmless(types, connection, "it uses a column of a type of users")
    indexes: dict[int, list[Index]] = {root: [] for root in roots}
    for owner, name, valid, partial, parts in connection.execute(_INDEXES, (roots,)).fetchall():
        indexes[owner].append(Index(name, tuple(parts), valid, partial))
    names: Mapping[int, Name] = {row[1]: (row[2], row[3]) for row in family}
    facts = {root: Table(names[root], rows[root], columns[root], tuple(indexes[root])) for root in roots}
    return {names[row[1]]: facts[row[0]] for row in family}


def _distinct(told: float | None, rows: float) -> float | None:
    """pg_stats says a number, or the negative share of the rows."""
    if told is None:
        return None
    return told if told >= 0 else -told * rows
