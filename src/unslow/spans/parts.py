"""Parquet read in parts of about a million spans, none of which cuts a trace: memory stays the same at any size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unslow.spans.session import DuckSession
from unslow.spans.view import quoted

PART = 1_000_000
"""Spans per part: the tables of one take some 450 MB."""
SCATTERED = 3
"""Reading this many times the rows is dearer than sorting the file by trace first."""

_EXTENTS = "unslow_extents"


def parquet(files: Sequence[str], select: str = "*") -> str:
    """A source; `select` maps the columns of foreign files to those of the view."""
    names = ", ".join(quoted(file) for file in files)
    inner = f"read_parquet([{names}], file_row_number=true, union_by_name=true)"
    return inner if select == "*" else f"(SELECT {select}, file_row_number FROM {inner})"


def divide(session: DuckSession, files: Sequence[str], folder: Path, select: str = "*") -> tuple[str, list[str]]:
    """(source, conditions) for `analysis.analyse`. `folder` takes the sorted copy where one is needed."""
    source = parquet(files, select)
    size = int(session.rows(f"SELECT count(*) FROM {source}")[0][0])
    if size <= 1.5 * PART:
        return source, ["1 = 1"]
    if len(files) == 1:
        conditions = _ranges(session, source, size)
        if conditions:
            return source, conditions
    copy = folder / "by_trace.parquet"
    session.copy(f"SELECT * EXCLUDE (file_row_number) FROM {source} ORDER BY hash(trace_id)", copy)
    source = parquet([str(copy)])
    return source, _ranges(session, source, size)


def _ranges(session: DuckSession, source: str, size: int) -> list[str]:
    """A condition per part, by position in the file; none when traces are too scattered for that."""
    session.create(
        _EXTENTS,
        f"""SELECT t, lo, hi, CAST(floor((sum(n) OVER (ORDER BY lo ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - 1) / {PART}) AS BIGINT) AS part
            FROM (SELECT hash(coalesce(trace_id, '')) AS t, min(file_row_number) AS lo, max(file_row_number) AS hi,
                  count(*) AS n FROM {source} GROUP BY 1) one""",
    )
    bounds = session.rows(f"SELECT part, min(lo), max(hi) FROM {_EXTENTS} GROUP BY part ORDER BY part")
    if sum(hi - lo + 1 for _, lo, hi in bounds) > SCATTERED * size:
        return []
    conditions = []
    for at, (part, lo, hi) in enumerate(bounds):
        condition = f"file_row_number BETWEEN {lo} AND {hi}"
        alone = (at == 0 or bounds[at - 1][2] < lo) and (at + 1 == len(bounds) or hi < bounds[at + 1][1])
        if not alone:
            condition += f" AND hash(coalesce(trace_id, '')) IN (SELECT t FROM {_EXTENTS} WHERE part = {part})"
        conditions.append(condition)
    return conditions
