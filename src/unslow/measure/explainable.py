"""Which statements may be planned: one SELECT made of known, harmless parts; all else is refused.

Planning is not harmless by itself: PostgreSQL evaluates constant calls of immutable and stable
functions while it plans. So literals become parameters first, and only named functions, operators
and node types pass. What the catalog must add (whose tables, whose types) is the caller's part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import postgast
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

MAX_CHARACTERS = 20_000
MAX_TABLES = 12
"""Planning time grows steeply with the number of joined tables."""
MAX_PARAMETERS = 500
MAX_NODES = 4_000

_NODES = """
ParseResult RawStmt SelectStmt ResTarget ColumnRef A_Star String Integer Float Boolean A_Const ParamRef
A_Expr BoolExpr NullTest BooleanTest FuncCall TypeCast TypeName RangeVar Alias JoinExpr SubLink SortBy List
CaseExpr CaseWhen CoalesceExpr MinMaxExpr RangeSubselect CommonTableExpr WithClause WindowDef A_ArrayExpr
RowExpr SQLValueFunction GroupingSet
"""
NODES = frozenset(_NODES.split())
"""Parts of a parse tree that only read. Not here: INTO, functions in FROM, row locks, XML and JSON
constructors, data-changing WITH, subscripts, collations, samples."""
_FUNCTIONS = """
count sum avg min max bool_and bool_or every array_agg string_agg json_agg jsonb_agg json_object_agg
jsonb_object_agg stddev stddev_samp variance var_samp percentile_cont percentile_disc mode row_number rank
dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value lower upper initcap btrim
ltrim rtrim length char_length octet_length substring substr position strpos left right replace concat
concat_ws split_part md5 abs ceil ceiling floor round trunc sign mod power sqrt now date date_trunc
date_part extract age to_char to_date to_timestamp timezone make_date like_escape similar_to_escape overlaps
array_length cardinality unnest json_build_object jsonb_build_object to_json to_jsonb row_to_json
jsonb_array_length
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())
"""Built-in functions without side effects and without answers larger than what they are given."""
_OPERATORS = "= <> != < > <= >= + - * / % ^ || ~~ !~~ ~~* !~~* ~ ~* !~ !~* @> <@ && -> ->> #> #>> ? ?| ?& @@"
OPERATORS = frozenset(
    (*_OPERATORS.split(), "BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC", "NOT BETWEEN SYMMETRIC", "IN")
)
_TYPES = """
bool boolean int2 int4 int8 int smallint bigint numeric decimal float4 float8 text varchar bpchar char name
date time timetz timestamp timestamptz interval uuid json jsonb bytea inet cidr bit varbit
"""
TYPES = frozenset(_TYPES.split())
"""Built-in types whose input is harmless; regclass and its kin read the catalog, so they are not here."""
FIELDS = {"extract": "day", "date_part": "day", "date_trunc": "day", "timezone": "UTC"}
"""Functions whose first argument is a word, not a value: what stands there after literals were removed."""


class RefusedError(Exception):
    """The statement is not one that may be planned; the text says why, without quoting it."""


@dataclass(frozen=True, slots=True)
class Select:
    """A statement that may be planned once its tables and types are known to be harmless."""

    tree: Any
    """Parse tree; its table and type names may still be completed in place."""
    tables: tuple[Any, ...]
    """RangeVar nodes that name tables, not common table expressions."""
    types: tuple[Any, ...]
    """TypeName nodes that are not built in."""
    columns: frozenset[str]
    """Names that the statement uses as columns."""
    parameters: int
    """The highest $n."""

    def text(self) -> str:
        """As SQL; raises `RefusedError` when what comes out would not pass again."""
        written = str(postgast.deparse(self.tree))
        again = postgast.parse(written)
        _only_select(again)
        if postgast.fingerprint(written).hex != postgast.fingerprint(postgast.deparse(again)).hex:
            raise RefusedError("it cannot be written back unchanged")
        for node in _nodes(again):
            _allow(node, qualified=True)
        return written


def vetted(text: str) -> Select:
    """Parse and judge; raises `RefusedError`."""
    if len(text) > MAX_CHARACTERS:
        raise RefusedError(f"longer than {MAX_CHARACTERS} characters")
    try:
        tree = postgast.parse(postgast.normalize(text))
    except (postgast.PgQueryError, DecodeError) as error:  # the latter: nested too deep
        raise RefusedError("not a complete statement") from error
    _drop_row_locks(_only_select(tree))
    _restore_fields(tree)
    nodes = list(_nodes(tree))
    if len(nodes) > MAX_NODES:
        raise RefusedError(f"more than {MAX_NODES} parts")
    for node in nodes:
        _allow(node, qualified=False)
    named = {node.ctename for node in nodes if _kind(node) == "CommonTableExpr"}
    tables = [node for node in nodes if _kind(node) == "RangeVar" and (node.schemaname or node.relname not in named)]
    if len(tables) > MAX_TABLES:
        raise RefusedError(f"more than {MAX_TABLES} tables")
    parameters = _renumber(nodes)
    if parameters > MAX_PARAMETERS:
        raise RefusedError(f"more than {MAX_PARAMETERS} parameters")
    return Select(
        tree=tree,
        tables=tuple(tables),
        types=tuple(node for node in nodes if _kind(node) == "TypeName" and not _is_built_in(node)),
        columns=frozenset(name for node in nodes if _kind(node) == "ColumnRef" and (name := column_name(node))),
        parameters=parameters,
    )


def column_name(reference: Any) -> str:
    """The last word of a column reference; empty for `*`."""
    last = reference.fields[-1]
    return str(last.string.sval) if last.HasField("string") else ""


def _only_select(tree: Any) -> Any:
    if len(tree.stmts) != 1:
        raise RefusedError("more than one statement")
    statement = tree.stmts[0].stmt
    if statement.WhichOneof("node") != "select_stmt":
        raise RefusedError("not a SELECT")
    return statement.select_stmt


def _drop_row_locks(select: Any) -> None:
    """FOR UPDATE changes nothing of how the rows are found, and we want no lock."""
    for node in _nodes(select):
        if _kind(node) == "SelectStmt":
            node.ClearField("locking_clause")


def _restore_fields(tree: Any) -> None:
    """extract(year FROM x) comes as extract($1 FROM x), which no server takes; any field gives the plan."""
    for node in _nodes(tree):
        if _kind(node) == "FuncCall" and node.args and node.funcname[-1].string.sval in FIELDS:
            field = node.args[0]
            if field.HasField("param_ref"):
                field.Clear()
                field.a_const.sval.sval = FIELDS[node.funcname[-1].string.sval]


def _renumber(nodes: list[Any]) -> int:
    """Close the gaps in $1, $2 ...; returns how many there are."""
    numbers: dict[int, int] = {}
    for node in nodes:
        if _kind(node) == "ParamRef":
            node.number = numbers.setdefault(node.number, len(numbers) + 1)
    return len(numbers)


def _nodes(tree: Any) -> Iterator[Any]:
    return (node for _, node in postgast.walk(tree))


def _kind(node: Any) -> str:
    return str(node.DESCRIPTOR.name)


def _allow(node: Any, *, qualified: bool) -> None:
    """Raise `RefusedError` unless this node is known to be harmless. `qualified`: types may name a schema."""
    kind = _kind(node)
    if kind not in NODES:
        raise RefusedError(f"it holds {kind}")
    if kind == "SelectStmt" and (node.HasField("into_clause") or node.locking_clause):
        raise RefusedError("it writes or locks")
    if kind == "FuncCall":
        _allow_function([part.string.sval for part in node.funcname])
    if kind == "A_Expr":
        names = [part.string.sval for part in node.name]
        if len(names) != 1 or names[0] not in OPERATORS:
            raise RefusedError(f"operator {'.'.join(names)}")
    if kind == "SubLink" and [part.string.sval for part in node.oper_name] not in (
        [],
        *([one] for one in OPERATORS),
    ):
        raise RefusedError("operator of a subquery")
    if kind == "SortBy" and node.use_op:
        raise RefusedError("ORDER BY USING")
    if kind == "RangeVar" and node.catalogname:
        raise RefusedError("another database")
    text = kind == "A_Const" and node.WhichOneof("val") in {"sval", "bsval", "fval"}
    if text and node.sval.sval not in FIELDS.values():
        raise RefusedError("it holds a literal")
    if kind == "TypeName" and (
        node.setof or node.pct_type or (len(node.names) > 1 and not qualified and not _is_built_in(node))
    ):
        raise RefusedError("a type of a named schema")


def _allow_function(names: list[str]) -> None:
    if len(names) > 2 or (len(names) == 2 and names[0] != "pg_catalog") or names[-1] not in FUNCTIONS:
        raise RefusedError(f"function {'.'.join(names)}")


def _is_built_in(node: Any) -> bool:
    names = [part.string.sval for part in node.names]
    return names[-1] in TYPES and (len(names) == 1 or names[0] == "pg_catalog")
