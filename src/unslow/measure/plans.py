"""What a query plan reads: which tables whole, and how little of them is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from unslow.measure.tables import Name, Table

LARGE_ROWS = 10_000.0
"""Reading fewer rows than this takes a few milliseconds and needs no index."""
LEADER_SHARE = 0.3
"""The planner's assumption: each parallel worker takes this much of the leader's own work away."""
UNKNOWN_LIMIT = 10.0
"""Rows that LIMIT $n is taken for: a look-up or one page."""
_PASSING = frozenset(
    (
        "Gather",
        "Gather Merge",
        "Hash",
        "Sort",
        "Incremental Sort",
        "Materialize",
        "Memoize",
        "Append",
        "Subquery Scan",
    )
)
"""Nodes that hand on the rows below them."""
_BLOCKING = frozenset(("Sort", "Hash", "Aggregate", "Group", "WindowAgg", "Unique", "Hash Join", "Merge Join", "SetOp"))
"""Nodes that read all rows below them whatever the LIMIT above."""
_JOINS = frozenset(("Hash Join", "Merge Join", "Nested Loop"))


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """One table read whole."""

    table: Name
    alias: str
    rows: float
    """Rows of the table."""
    kept_ratio: float
    """Share of them that is left after the filter, or after the join or the LIMIT that follows at once."""
    conditions: str = ""
    """The filter as the planner writes it."""
    joined: bool = False
    """Whether a join leaves fewer rows than the filter does."""
    counted: bool = False
    """Whether `kept_ratio` rests on rows that the statement returned, not on the planner's guess."""


class _Node(msgspec.Struct, frozen=True):
    plan: Mapping[str, Any]
    above: tuple[Mapping[str, Any], ...]
    """Ancestors, nearest first."""


def cost(explained: Sequence[Mapping[str, Any]]) -> float:
    """Total cost in the planner's units, from EXPLAIN (FORMAT JSON)."""
    return float(explained[0]["Plan"]["Total Cost"])


def whole_scans(
    explained: Sequence[Mapping[str, Any]], tables: Mapping[Name, Table], rows_per_call: float | None = None
) -> tuple[Scan, ...]:
    """Tables with more than 10,000 rows that the plan reads whole, largest first.

    `tables`: facts by (schema, name); a partition leads to the facts of its parent. `rows_per_call`: what the
    statement really returns, by its counters. Partitions of one table are added up.
    """
    found: dict[tuple[Name, str], list[tuple[float, Scan]]] = {}
    for node in _walk(explained[0]["Plan"], ()):
        table = tables.get((str(node.plan.get("Schema", "")), str(node.plan.get("Relation Name", ""))))
        if table is None or not _reads_whole(node.plan):
            continue
        alias = str(node.plan.get("Alias", table.name[1]))
        alias = alias if node.plan.get("Relation Name") == table.name[1] else _root_alias(alias)
        scan = _scan(node, table, alias, rows_per_call)
        found.setdefault((table.name, alias), []).append((_rows(node), scan))
    scans = []
    for parts in found.values():
        first = parts[0][1]
        kept = sum(scan.kept_ratio for _, scan in parts)
        if first.rows > LARGE_ROWS and not _stops_early(first, kept, explained[0]["Plan"]):
            scans.append(msgspec.structs.replace(first, kept_ratio=min(1.0, kept)))
    return tuple(sorted(scans, key=lambda scan: (-scan.rows, scan.table, scan.alias)))


def _walk(plan: Mapping[str, Any], above: tuple[Mapping[str, Any], ...]) -> Iterator[_Node]:
    yield _Node(plan, above)
    for child in plan.get("Plans", ()):
        yield from _walk(child, (plan, *above))


def _reads_whole(plan: Mapping[str, Any]) -> bool:
    """A sequential scan, or an index read from end to end only for its order while a filter drops rows."""
    if plan["Node Type"] == "Seq Scan":
        return True
    return plan["Node Type"] in {"Index Scan", "Index Only Scan"} and "Index Cond" not in plan and "Filter" in plan


def _rows(node: _Node) -> float:
    """Rows that leave the node, over all parallel workers."""
    rows = float(node.plan["Plan Rows"])
    if not node.plan.get("Parallel Aware"):
        return rows
    workers = next((float(up["Workers Planned"]) for up in node.above if "Workers Planned" in up), 0.0)
    return rows * (workers + max(0.0, 1.0 - LEADER_SHARE * workers)) if workers else rows


def _scan(node: _Node, table: Table, alias: str, rows_per_call: float | None) -> Scan:
    filtered = kept = min(_rows(node), table.rows)
    limited = counted = False
    for place, up in enumerate(node.above):
        kind = up["Node Type"]
        if kind in _JOINS:
            kept = min(kept, _rows(_Node(up, node.above[place + 1 :])))
            break
        if kind == "Limit":
            below = [each["Node Type"] for each in node.above[:place]]
            limited = "Sort" in below or "Incremental Sort" in below
            if limited:
                kept = min(kept, rows_per_call if rows_per_call is not None else float(up["Plan Rows"]))
            break
        if kind not in _PASSING:
            break
    else:
        # Nothing joins, groups or cuts: what the filter keeps is what the statement returns.
        if rows_per_call is not None and "Filter" in node.plan:
            kept, counted = min(rows_per_call, table.rows), True
    return Scan(
        table=table.name,
        alias=alias,
        rows=table.rows,
        kept_ratio=kept / table.rows if table.rows > 0 else 1.0,
        conditions=str(node.plan.get("Filter", "")),
        joined=not limited and not counted and kept < filtered,
        counted=counted,
    )


def _stops_early(scan: Scan, kept_ratio: float, root: Mapping[str, Any]) -> bool:
    """Whether a LIMIT ends the scan before it has read many rows."""
    for node in _walk(root, ()):
        if node.plan.get("Alias") != scan.alias or not _reads_whole(node.plan):
            continue
        for up in node.above:
            if up["Node Type"] in _BLOCKING:
                return False
            if up["Node Type"] == "Limit":
                return UNKNOWN_LIMIT / max(kept_ratio, 1e-12) < LARGE_ROWS
    return False


def _root_alias(alias: str) -> str:
    """Partitions are shown as `parent_1`, `parent_2` ..."""
    head, _, tail = alias.rpartition("_")
    return head if head and tail.isdigit() else alias
