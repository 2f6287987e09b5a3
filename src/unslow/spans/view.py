"""The canonical view `spans` and its Parquet form: what every reader writes and every engine reads."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from unslow.evidence.span import Span

COLUMNS = {
    "trace_id": "VARCHAR",
    "span_id": "VARCHAR",
    "parent_span_id": "VARCHAR",
    "service": "VARCHAR",
    "name": "VARCHAR",
    "kind": "VARCHAR",
    "start_ns": "BIGINT",
    "duration_ns": "BIGINT",
    "status": "VARCHAR",
    "attributes": "MAP(VARCHAR, VARCHAR)",
}
"""Column -> type. `parent_span_id` is NULL (or empty) for a root; times are Unix nanoseconds."""
_BATCH = 10_000


class _Line(msgspec.Struct, frozen=True, gc=False):
    trace_id: str
    span_id: str
    parent_span_id: str | None
    service: str
    name: str
    kind: str
    start_ns: int
    duration_ns: int
    status: str
    attributes: dict[str, str]


def write_parquet(spans: Iterable[Span], path: Path) -> int:
    """Write the spans as Parquet and return their number. The file is replaced."""
    import duckdb

    written = 0
    with tempfile.TemporaryDirectory(prefix="unslow-spans-") as folder:
        lines = Path(folder, "spans.ndjson")
        encoder = msgspec.json.Encoder()
        with lines.open("wb") as file:
            batch: list[_Line] = []
            for span in spans:
                batch.append(_line(span))
                if len(batch) == _BATCH:
                    written += len(batch)
                    file.write(encoder.encode_lines(batch))
                    batch.clear()
            written += len(batch)
            file.write(encoder.encode_lines(batch))
        with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
            connection.execute("SET enable_progress_bar = false")  # it would go to standard output
            connection.execute(
                f"COPY (SELECT {', '.join(COLUMNS)} FROM read_json(?, format='newline_delimited', columns={COLUMNS!r}))"
                f" TO {quoted(str(path))} (FORMAT parquet, COMPRESSION zstd)",
                [str(lines)],
            )
    return written


def quoted(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _line(span: Span) -> _Line:
    return _Line(
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        span.service,
        span.name,
        span.kind,
        span.start_ns,
        span.duration_ns,
        span.status,
        dict(span.attributes),
    )
