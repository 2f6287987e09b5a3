"""Spans in CSV or Parquet files of any shape: a column map makes the canonical view of them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from unslow.errors import BadInput, BadUsage
from unslow.spans.session import DuckSession
from unslow.spans.view import COLUMNS, quoted

UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
KNOWN = {
    "trace_id": ("trace_id", "traceid"),
    "span_id": ("span_id", "spanid"),
    "parent_span_id": ("parent_span_id", "parentspanid", "parent_id", "parentid"),
    "service": ("service", "servicename", "service_name"),
    "name": ("name", "spanname", "span_name", "operationname", "operation_name", "operation"),
    "kind": ("kind", "spankind", "span_kind"),
    "start_ns": ("start_ns", "starttimeunixnano", "start_time_unix_nano"),
    "start_us": ("start_us",),
    "start_ms": ("start_ms",),
    "start_s": ("start_s",),
    "start_at": ("timestamp", "start_time", "starttime"),
    "end_ns": ("end_ns", "endtimeunixnano", "end_time_unix_nano"),
    "end_us": ("end_us",),
    "end_ms": ("end_ms",),
    "end_s": ("end_s",),
    "end_at": ("end_time", "endtime"),
    "duration_ns": ("duration_ns",),
    "duration_us": ("duration_us",),
    "duration_ms": ("duration_ms",),
    "duration_s": ("duration_s",),
    "status": ("status", "statuscode", "status_code"),
}
"""What a map may name, and the columns that need no map (case does not matter). `start_at`: a timestamp."""
_WHOLE = ("BIGINT", "INTEGER", "UBIGINT", "UINTEGER")
_NEEDED = ("trace_id", "span_id", "service", "name")
_FORM = "map them: --columns trace_id=TraceID,span_id=SpanID,service=PodName,start_us=Begin,duration_ms=Took"


def parsed(text: str) -> dict[str, str]:
    """`service=PodName,start_ns=Start` -> the map. BadUsage for a name that is none of `KNOWN`."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    for name, equals, column in pairs:
        if name.strip() not in KNOWN or not equals or not column.strip():
            raise BadUsage(f"{name.strip()!r} is no column of the view", f"choose from {', '.join(KNOWN)}")
    return {name.strip(): column.strip() for name, _, column in pairs}


def mapping(session: DuckSession, files: Sequence[str], given: Mapping[str, str]) -> str:
    """The select list that makes the canonical columns of Parquet files. BadInput when some cannot be made."""
    there = _columns(session, f"read_parquet({_list(files)}, union_by_name=true)")
    if not given and all(there.get(name) == kind for name, kind in COLUMNS.items() if name != "attributes"):
        return "*"
    return select_list(there, given, files[0])


def csv_source(session: DuckSession, file: str, given: Mapping[str, str]) -> str:
    """The query that reads a CSV file as the canonical view. BadInput when it is not one of spans."""
    reader = f"read_csv({quoted(file)}, all_varchar=true)"
    return f"SELECT {select_list(_columns(session, reader), given, file)} FROM {reader}"


def select_list(there: Mapping[str, str], given: Mapping[str, str], file: str) -> str:
    """SQL for the canonical columns out of those that are there, by name and type."""
    lower = {column.lower(): column for column in there}
    found: dict[str, str] = {}
    whole = {_name(column) for column, kind in there.items() if kind in _WHOLE}
    for name, aliases in KNOWN.items():
        for alias in (given[name],) if name in given else aliases:
            if alias.lower() in lower:
                found.setdefault(name, _name(lower[alias.lower()]))
    for name, column in given.items():
        if name not in found:
            raise BadInput(f"{file} has no column {column!r}", f"it has {', '.join(there)[:300]}")
    start, end, duration = (_time(found, stem, whole) for stem in ("start", "end", "duration"))
    if duration is None and start is not None and end is not None:
        duration = f"({end} - {start})"
    missing = [name for name in _NEEDED if name not in found]
    if start is None:
        missing.append("start_ns")
    if duration is None:
        missing.append("duration_ns")
    if missing:
        raise BadInput(f"{file} has no column for {', '.join(missing)}", _FORM)

    def text(name: str) -> str:
        return f"CAST({found[name]} AS VARCHAR)" if name in found else "CAST(NULL AS VARCHAR)"

    return f"""{text("trace_id")} AS trace_id, {text("span_id")} AS span_id,
        nullif({text("parent_span_id")}, '') AS parent_span_id, {text("service")} AS service, {text("name")} AS name,
        {_word(text("kind"), "SPAN_KIND_", ("server", "client", "internal", "producer", "consumer"), "unspecified")} AS kind,
        {start} AS start_ns, {duration} AS duration_ns,
        {_word(text("status"), "STATUS_CODE_", ("error", "ok"), "unset")} AS status"""


def _word(column: str, prefix: str, words: Sequence[str], other: str) -> str:
    bare = f"lower(replace({column}, '{prefix}', ''))"
    return f"CASE WHEN {bare} IN {tuple(words)!r} THEN {bare} ELSE '{other}' END"


def _time(found: Mapping[str, str], stem: str, whole: Container[str]) -> str | None:
    """Nanoseconds: by decimals, because floating point would blur them; NULL for what is no number."""
    for unit, factor in UNITS.items():
        column = found.get(f"{stem}_{unit}")
        if column in whole:
            return f"TRY_CAST({column} AS BIGINT) * {factor}" if factor > 1 else f"TRY_CAST({column} AS BIGINT)"
        if column is not None:
            return f"TRY_CAST(TRY_CAST(CAST({column} AS VARCHAR) AS DECIMAL(28, 9)) * {factor} AS BIGINT)"
    column = found.get(f"{stem}_at")
    return None if column is None else f"epoch_ns(TRY_CAST({column} AS TIMESTAMP_NS))"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _columns(session: DuckSession, reader: str) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for row in session.rows(f"DESCRIBE SELECT * FROM {reader}")}


def _list(files: Sequence[str]) -> str:
    return "[" + ", ".join(quoted(file) for file in files) + "]"
