"""Series per node of a system, and who calls whom, from CSV files that any monitoring can export.

Series, wide: three header rows (node, metric, statistic), then one row per time step, its Unix seconds first.
Series, long: the header `time,node,metric,statistic,value`, one row per value.
Calls: a square table whose row calls the columns that are not 0, or the header `caller,callee`.
"""

from __future__ import annotations

import csv
import math
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from unslow.errors import BadInput
from unslow.measure.locate import Node

MAX_BYTES = 256 * 2**20
MAX_CELLS = 50_000_000
LONG = ("time", "node", "metric", "statistic", "value")
EDGES = ("caller", "callee")
_REMEDY = "see docs/locate.md for the layouts of the files"

Column = tuple[str, str, str]
"""Node, metric, statistic."""


class NodeSeries(msgspec.Struct, frozen=True):
    times_s: tuple[float, ...]
    """Unix seconds, ascending."""
    columns: dict[Column, tuple[float | None, ...]]
    """None where nothing was measured."""

    def nodes(self) -> list[str]:
        return sorted({column[0] for column in self.columns})


def read_series(path: Path) -> NodeSeries:
    """The series of the file. BadInput when it cannot be read, or says nothing."""
    rows = _rows(path)
    if tuple(cell.strip().lower() for cell in rows[0]) == LONG:
        found = _long(path, rows[1:])
    elif len(rows) > 3:
        found = _wide(path, rows)
    else:
        raise BadInput(f"{path} has no row of values below its three header rows", _REMEDY)
    if not found.times_s or not found.columns:
        raise BadInput(f"{path} holds no series", _REMEDY)
    return found


def read_calls(path: Path) -> dict[str, list[str]]:
    """Caller -> callees, each once, in the file's order. BadInput when the file is no call graph."""
    rows = _rows(path)
    if tuple(cell.strip().lower() for cell in rows[0][:2]) == EDGES:
        edges: dict[str, list[str]] = {}
        for row in rows[1:]:
            if len(row) < 2:
                raise BadInput(f"{path}: a row with {len(row)} cells where caller,callee are two", _REMEDY)
            edges.setdefault(row[0], []).append(row[1])
        return {caller: list(dict.fromkeys(callees)) for caller, callees in edges.items()}
    names = rows[0][1:]
    for row in rows[1:]:
        if len(row) != len(names) + 1:
            raise BadInput(f"{path}: row {row[0]!r} has {len(row) - 1} cells for {len(names)} columns", _REMEDY)
    return {row[0]: [name for name, cell in zip(names, row[1:], strict=True) if number(cell)] for row in rows[1:]}


def nodes_of(series: NodeSeries, metric: str) -> dict[str, Node]:
    """The nodes that have requests and a cost per request: mean seconds (`latency`, `outgoing`: of the calls that the
    node makes), else the share of failures.

    Failures are read from `availability` (percent) or, where there is none, from `errors` (a count).
    """
    found: dict[str, Node] = {}
    for name in series.nodes():
        requests = series.columns.get((name, "requests", "Sum"))
        cost = _cost(series, name, metric, requests)
        if requests is not None and cost is not None:
            found[name] = Node(requests, cost)
    return found


def _cost(
    series: NodeSeries, name: str, metric: str, requests: tuple[float | None, ...] | None
) -> tuple[float | None, ...] | None:
    if metric in {"latency", "outgoing"}:
        return series.columns.get((name, metric, "Average"))
    available = series.columns.get((name, "availability", "Average"))
    if available is not None:
        return tuple(None if value is None else 1 - value / 100 for value in available)
    errors = series.columns.get((name, "errors", "Sum"))
    if errors is None or requests is None:
        return None
    return tuple(
        None if count is None or not served else count / served for count, served in zip(errors, requests, strict=True)
    )


def number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _rows(path: Path) -> list[list[str]]:
    try:
        if not path.is_file():
            raise BadInput(f"{path} is no file", _REMEDY)
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"{path} is larger than {MAX_BYTES >> 20} MiB", "give a shorter time or a longer step")
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", _REMEDY) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path} is no CSV: {error}", _REMEDY) from error
    if not rows:
        raise BadInput(f"{path} is empty", _REMEDY)
    return rows


def moment(text: str) -> float | None:
    """A time as Unix seconds, from Unix seconds, or ISO 8601 (UTC unless it says otherwise)."""
    value = number(text)
    if value is not None:
        return value
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _wide(path: Path, rows: list[list[str]]) -> NodeSeries:
    width = len(rows[0])
    if any(len(row) != width for row in rows[:3]):
        raise BadInput(f"{path}: its three header rows differ in length", _REMEDY)
    # The index may have a header row of its own, which names no time.
    body = sorted(((at, row) for row in rows[3:] if (at := moment(row[0])) is not None), key=lambda timed: timed[0])
    if any(len(row) != width for _, row in body):
        raise BadInput(f"{path}: a row is shorter or longer than the header", _REMEDY)
    keys = list(zip(rows[0][1:], rows[1][1:], rows[2][1:], strict=True))
    cells = zip(*(map(number, row[1:]) for _, row in body), strict=True)
    return NodeSeries(tuple(at for at, _ in body), dict(zip(keys, cells, strict=True)) if body else {})


def _long(path: Path, rows: list[list[str]]) -> NodeSeries:
    values: dict[Column, dict[float, float | None]] = {}
    for row in rows:
        at = moment(row[0])
        if len(row) != len(LONG) or at is None:
            raise BadInput(f"{path}: {','.join(row)[:80]!r} is no row of {','.join(LONG)}", _REMEDY)
        values.setdefault((row[1], row[2], row[3]), {})[at] = number(row[4])
    times = sorted({at for one in values.values() for at in one})
    if len(times) * len(values) > MAX_CELLS:
        raise BadInput(f"{path}: {len(values)} series of {len(times)} times are too many", "give a shorter time")
    return NodeSeries(tuple(times), {key: tuple(map(one.get, times)) for key, one in values.items()})
