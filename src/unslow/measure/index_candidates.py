"""Which index would serve a statement: equality columns first, then one range or the sort order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import postgast

from unslow.measure.explainable import column_name
from unslow.measure.plans import Scan
from unslow.measure.tables import Index, Name, Table, quoted

FEW_ROWS = 500.0
"""An index that leaves so few rows answers in about a millisecond. Further columns would make it larger and
of use to fewer statements."""
MAX_COLUMNS = 3
INDEXABLE_FUNCTIONS = frozenset(("lower", "upper"))
"""Immutable functions of one column, so that an index on the call is possible."""
_RANGES = frozenset(("<", "<=", ">", ">="))
_LIKE = frozenset(("AEXPR_LIKE", "AEXPR_ILIKE", "AEXPR_SIMILAR"))
_BETWEEN = frozenset(("AEXPR_BETWEEN", "AEXPR_BETWEEN_SYM"))


@dataclass(slots=True)
class Usage:
    """How one statement uses the columns of one table."""

    equal: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    order: list[tuple[str, bool]] = field(default_factory=list)
    """(column, descending); empty when it sorts by anything else too."""
    limited: bool = False
    calls: list[tuple[str, str]] = field(default_factory=list)
    """(function, column) compared for equality."""
    obstacles: list[tuple[str, str]] = field(default_factory=list)
    """(column, why no plain index on it can be used)."""


@dataclass(frozen=True, slots=True)
class NewIndex:
    """An index that is not there yet."""

    ddl: str
    """As a person would type it."""
    full: str = ""
    """With the table's schema, for a session without search path; empty where one is rebuilt."""
    columns: int = 1


@dataclass(frozen=True, slots=True)
class Proposal:
    """Indexes to try, the likeliest first, and what is to be said besides."""

    indexes: tuple[NewIndex, ...] = ()
    note: str = ""


def proposal(tree: Any, scan: Scan, tables: Mapping[Name, Table]) -> Proposal:
    """What would spare the statement this scan. `tree`: parse tree in which tables name their schema."""
    table = tables[scan.table]
    use = usage(tree, scan, tables)
    wanted = _column_lists(use, scan, table)
    broken = [index for index in table.indexes if not index.valid]
    for columns in wanted:
        names = tuple(name for name, _ in columns)
        rebuilt = next((index for index in broken if _serves(index, names)), None)
        if rebuilt:
            return Proposal(
                (NewIndex(f"REINDEX INDEX CONCURRENTLY {_beside(table, rebuilt.name)}"),),
                f"index {rebuilt.name} would serve but is INVALID: a concurrent build failed half-way",
            )
    existing = next(
        (
            index
            for index in table.indexes
            if wanted and index.valid and not index.partial and _serves(index, _names(wanted[0]))
        ),
        None,
    )
    if existing:
        return Proposal((), f"index {existing.name} exists; the planner finds reading the table cheaper for any value")
    if wanted:
        return Proposal(tuple(_new(table, _definition(columns), len(columns)) for columns in wanted))
    for function, column in use.calls:
        blocked = f"{function}({column}) is compared, which an index on {column} cannot serve"
        if function in INDEXABLE_FUNCTIONS:
            return Proposal((_new(table, f"{function}({quoted(column)})"),), blocked)
        return Proposal((), f"{blocked}; compare the bare column with a range instead")
    return Proposal((), "; ".join(dict.fromkeys(f"{column}: {why}" for column, why in use.obstacles)))


def usage(tree: Any, scan: Scan, tables: Mapping[Name, Table]) -> Usage:
    """Conditions and sort order on the scanned table, over all parts of the statement that name it so."""
    use = Usage()
    for select in _selects(tree):
        scope = _Scope(select, tables)
        if scope.tables.get(scan.alias) == scan.table:
            use.limited = use.limited or select.HasField("limit_count")
            use.order = use.order or scope.order(select, scan.alias)
        for condition in scope.conditions(select):
            _note(condition, scope, scan.alias, use)
    return use


class _Scope:
    """Which table an alias means in one SELECT."""

    def __init__(self, select: Any, tables: Mapping[Name, Table]) -> None:
        self._facts = tables
        self.tables: dict[str, Name] = {}
        self._joins: list[Any] = []
        for item in select.from_clause:
            self._enter(item)

    def _enter(self, item: Any) -> None:
        if item.HasField("range_var"):
            node = item.range_var
            self.tables[node.alias.aliasname or node.relname] = (node.schemaname, node.relname)
        elif item.HasField("join_expr"):
            self._joins.append(item.join_expr)
            self._enter(item.join_expr.larg)
            self._enter(item.join_expr.rarg)

    def owner(self, reference: Any) -> str:
        """Alias of the table that a column reference means; empty when it cannot be told."""
        if len(reference.fields) > 1:
            return str(reference.fields[-2].string.sval)
        name = column_name(reference)
        owners = [
            alias for alias, table in self.tables.items() if table in self._facts and name in self._facts[table].columns
        ]
        return owners[0] if len(owners) == 1 else ""

    def conditions(self, select: Any) -> Iterator[Any]:
        """All that must hold together: WHERE and the joins' ON."""
        yield from _conjuncts(select.where_clause)
        for join in self._joins:
            yield from _conjuncts(join.quals)

    def order(self, select: Any, alias: str) -> list[tuple[str, bool]]:
        columns = []
        for item in select.sort_clause:
            node = item.sort_by.node
            if not node.HasField("column_ref") or self.owner(node.column_ref) != alias:
                return []
            columns.append((column_name(node.column_ref), item.sort_by.sortby_dir == _DESCENDING))
        return columns if not select.group_clause and not select.distinct_clause else []


_DESCENDING = 3
"""SORTBY_DESC of PostgreSQL's parser."""


def _selects(tree: Any) -> Iterator[Any]:
    return (node for _, node in postgast.walk(tree) if node.DESCRIPTOR.name == "SelectStmt")


def _conjuncts(node: Any) -> Iterator[Any]:
    if node.HasField("bool_expr") and _word(node.bool_expr, "boolop") == "AND_EXPR":
        for each in node.bool_expr.args:
            yield from _conjuncts(each)
    elif node.WhichOneof("node"):
        yield node


def _note(node: Any, scope: _Scope, alias: str, use: Usage) -> None:
    """Enter one condition in `use` if it speaks of `alias`."""
    kind = node.WhichOneof("node")
    if kind == "a_expr":
        _note_comparison(node.a_expr, scope, alias, use)
    elif kind == "sub_link" and node.sub_link.HasField("testexpr"):
        column = _column(node.sub_link.testexpr, scope, alias)
        if column:
            use.joined.append(column)
    elif kind in {"null_test", "boolean_test"}:
        test = getattr(node, kind)
        column = _column(test.arg, scope, alias)
        if column and _word(test, f"{kind.replace('_', '')}type") != "IS_NOT_NULL":
            use.equal.append(column)
    elif kind == "column_ref" and (column := _column(node, scope, alias)):
        use.equal.append(column)
    elif kind == "bool_expr" and _word(node.bool_expr, "boolop") == "NOT_EXPR":
        column = _column(node.bool_expr.args[0], scope, alias)
        if column:
            use.equal.append(column)
    elif kind == "bool_expr":
        for column in _columns_in(node, scope, alias):
            use.obstacles.append((column, "conditions joined by OR; ask for each apart, with UNION"))


def _note_comparison(node: Any, scope: _Scope, alias: str, use: Usage) -> None:
    operator = node.name[-1].string.sval if node.name else ""
    kind = _word(node, "kind")
    for mine, other in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
        column = _column(mine, scope, alias)
        if not column:
            _note_wrapped(mine, operator, scope, alias, use)
            continue
        if _columns_in(other, scope, alias):
            return  # compares two columns of the same row
        if kind in _LIKE:
            use.obstacles.append((column, _LIKE_REMEDY))
        elif kind in _BETWEEN or (operator in _RANGES and kind == "AEXPR_OP"):
            use.ranges.append(column)
        elif operator == "=" and kind in {"AEXPR_OP", "AEXPR_OP_ANY", "AEXPR_IN"}:
            (use.joined if _refers(other) else use.equal).append(column)
        return


_LIKE_REMEDY = (
    "LIKE; a pattern that starts with % needs a pg_trgm index, one with a fixed start an index with text_pattern_ops"
)


def _note_wrapped(node: Any, operator: str, scope: _Scope, alias: str, use: Usage) -> None:
    """A function or a cast around the column keeps a plain index from being used."""
    if operator != "=":
        return
    if node.HasField("func_call") and len(node.func_call.args) >= 1:
        column = next((found for each in node.func_call.args if (found := _column(each, scope, alias))), "")
        if column:
            use.calls.append((node.func_call.funcname[-1].string.sval, column))
    elif node.HasField("type_cast") and (column := _column(node.type_cast.arg, scope, alias)):
        use.obstacles.append((column, "is cast before it is compared; cast the value to the column's type instead"))


def _column(node: Any, scope: _Scope, alias: str) -> str:
    """The column of `alias` that this expression is, and nothing else."""
    if not node.HasField("column_ref"):
        return ""
    return column_name(node.column_ref) if scope.owner(node.column_ref) == alias else ""


def _columns_in(node: Any, scope: _Scope, alias: str) -> list[str]:
    references = (each for _, each in postgast.walk(node) if each.DESCRIPTOR.name == "ColumnRef")
    return [column_name(each) for each in references if scope.owner(each) == alias and column_name(each)]


def _refers(node: Any) -> bool:
    """Whether it depends on another table."""
    return any(each.DESCRIPTOR.name in {"ColumnRef", "SubLink"} for _, each in postgast.walk(node))


def _word(node: Any, name: str) -> str:
    """The name of an enum's value."""
    return str(node.DESCRIPTOR.fields_by_name[name].enum_type.values_by_number[getattr(node, name)].name)


def _column_lists(use: Usage, scan: Scan, table: Table) -> tuple[tuple[tuple[str, bool], ...], ...]:
    """Columns of the indexes to try, likeliest first; (column, descending)."""
    own = [*use.equal, *(use.joined if scan.joined or not use.equal else ())]
    equal, left = _selective([name for name in dict.fromkeys(own) if _indexable(name, table)], table)
    ranges = [name for name in dict.fromkeys(use.ranges) if _indexable(name, table) and name not in equal]
    order = [(name, down) for name, down in use.order if name not in equal]
    if not all(_indexable(name, table) for name, _ in order):
        order = []
    if all(down for _, down in order):  # an index is read backwards just as well
        order = [(name, False) for name, _ in order]
    head = tuple((name, False) for name in equal)
    tails: list[tuple[tuple[str, bool], ...]] = []
    if left > FEW_ROWS and use.limited and order:
        tails.append(tuple(order))
    if left > FEW_ROWS:
        tails += [((name, False),) for name in ranges[:1]]
    if head:
        tails.append(())
    return tuple(dict.fromkeys((*head, *tail)[:MAX_COLUMNS] for tail in tails if head or tail))


def _selective(columns: list[str], table: Table) -> tuple[list[str], float]:
    """The columns with most different values, as many as it takes to leave few rows; and how many that are."""
    ranked = sorted(columns, key=lambda name: -(table.columns[name].distinct or 0.0))
    chosen, left = [], table.rows
    for name in ranked[:MAX_COLUMNS]:
        if left <= FEW_ROWS:
            break
        chosen.append(name)
        left /= max(1.0, table.columns[name].distinct or 1.0)
    return chosen, left


def _indexable(name: str, table: Table) -> bool:
    return name in table.columns and table.columns[name].sortable


def _serves(index: Index, columns: tuple[str, ...]) -> bool:
    """Whether the index starts with these columns, in whatever order."""
    return bool(columns) and set(index.columns[: len(columns)]) == set(columns)


def _new(table: Table, definition: str, columns: int = 1) -> NewIndex:
    return NewIndex(
        f"CREATE INDEX ON {table.shown} ({definition})",
        f"CREATE INDEX ON {table.full} ({definition})",
        columns,
    )


def _names(columns: tuple[tuple[str, bool], ...]) -> tuple[str, ...]:
    return tuple(name for name, _ in columns)


def _beside(table: Table, index: str) -> str:
    schema = table.name[0]
    return quoted(index) if schema == "public" else f"{quoted(schema)}.{quoted(index)}"


def _definition(columns: tuple[tuple[str, bool], ...]) -> str:
    return ", ".join(quoted(name) + (" DESC" if down else "") for name, down in columns)
