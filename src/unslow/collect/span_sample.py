"""Whole traces out of Parquet, as many as fit into memory: enough for pictures, not for totals."""

from __future__ import annotations

from pathlib import Path

from unslow.collect.span_sink import SpanSink
from unslow.evidence.spans import Spans
from unslow.measure.span_table import summarise
from unslow.spans.session import DuckSession, closing
from unslow.spans.view import quoted

SAMPLE = 150_000
"""Spans; about 60 MiB of records."""


def sample(
    path: Path, service: str | None = None, slower_than_ns: int = 0, *, limit: int = SAMPLE
) -> tuple[Spans, float]:
    """What a page of traces shows, and the share of the traces that it rests on (1: all).

    `path` has the canonical columns, perhaps without attributes. Only requests into `service` (None: from the roots) that took at least
    `slower_than_ns`. CannotLook when the file cannot be read.
    """
    source = f"read_parquet({quoted(str(path))})"
    with closing(DuckSession()) as session:
        whole = int(session.rows(f"SELECT count(*) FROM {source}")[0][0])  # noqa: S608 - quoted
        step = -(-whole // limit) or 1
        columns = {row[0] for row in session.rows(f"DESCRIBE SELECT * FROM {source}")}  # noqa: S608 - quoted
        attributes = "map_entries(attributes)" if "attributes" in columns else "NULL"
        rows = session.rows(
            "SELECT trace_id, span_id, parent_span_id, service, name, kind, start_ns, duration_ns, status,"  # noqa: S608
            f" {attributes} FROM {source} WHERE hash(trace_id) % {step} = 0"
            " ORDER BY trace_id, start_ns, span_id"
        )
    sink = SpanSink(len(rows))
    for trace_id, span_id, parent, service_of, name, kind, start_ns, duration_ns, status, entries in rows:
        sink.add(
            trace_id,
            span_id,
            parent,
            service_of or "",
            name or "",
            kind or "",
            start_ns,
            duration_ns,
            "error" if status == "error" else "ok" if status == "ok" else "unset",
            [(one["key"], one["value"] or "") for one in entries or ()],
        )
    excluded = tuple(sink.excluded.items())
    return summarise(sink.spans, service, source=str(path), excluded=excluded, least_ns=slower_than_ns), 1 / step
