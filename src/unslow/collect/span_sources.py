"""Any source of spans -> its report: a file, a URL, ClickHouse or Spark, each through the engine that suits it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec

from unslow.collect import span_api, span_columns, spans
from unslow.errors import BadInput, BadUsage, CannotLook
from unslow.spans import clickhouse, parts, spark
from unslow.spans.analysis import SpanReport, Wanted, analyse
from unslow.spans.session import DuckSession, closing
from unslow.spans.view import write_parquet

CLICKHOUSE_PART = 20_000_000
"""Spans in the memory of a ClickHouse server at a time."""


def report(
    source: str, wanted: Wanted, *, columns: Mapping[str, str] | None = None, save: Path | None = None
) -> SpanReport:
    """The report on a file name, a folder of Parquet, or a URL. BadInput, BadUsage, CannotLook.

    `columns` maps those of CSV and Parquet; `save` keeps the spans as Parquet with the canonical columns.
    """
    scheme = source.partition("://")[0] if "://" in source else ""
    if scheme in {"clickhouse", "spark"} and save is not None:
        raise BadUsage(f"--save does not copy what is in {scheme}", "query it there")
    if scheme == "clickhouse":
        return _on_clickhouse(source, wanted)
    if scheme == "spark":
        address = spark.Address.of(source)
        with closing(spark.SparkSession(address.master, address.path)) as session:
            return analyse(session, spark.SOURCE, ["1 = 1"], wanted)
    with tempfile.TemporaryDirectory(prefix="unslow-spans-") as folder:
        return _on_duckdb(source, scheme, wanted, columns or {}, save, Path(folder))


def _on_clickhouse(source: str, wanted: Wanted) -> SpanReport:
    address = clickhouse.Address.of(source)
    view = clickhouse.otel_view(address.table)
    with closing(clickhouse.ClickHouseSession(clickhouse.over_http(address))) as session:
        size = int(session.rows(f"SELECT count(*) FROM {address.table}")[0][0])
        number = -(-size // CLICKHOUSE_PART)
        conditions = [f"sipHash64(trace_id) % {number} = {rest}" for rest in range(number)] if number > 1 else ["1 = 1"]
        return analyse(session, view, conditions, wanted)


def _on_duckdb(
    source: str, scheme: str, wanted: Wanted, columns: Mapping[str, str], save: Path | None, folder: Path
) -> SpanReport:
    excluded: tuple[tuple[str, int], ...] = ()
    with closing(DuckSession(folder=str(folder))) as session:
        files, select = [source], "*"
        kind = "" if scheme else _table_kind(Path(source))
        if kind == "parquet":
            files = _files(Path(source))
            select = span_columns.mapping(session, files, columns)
        elif kind == "csv":
            files = [str(folder / "spans.parquet")]
            session.copy(span_columns.csv_source(session, source, columns), Path(files[0]))
        else:
            if columns:
                raise BadUsage("--columns is for CSV and Parquet", "leave it out: this format says what is what")
            read = (
                span_api.read_url(source, wanted.service) if scheme in {"http", "https"} else _read_file(source, scheme)
            )
            files, excluded = [str(folder / "spans.parquet")], read.excluded
            write_parquet(read.spans, Path(files[0]))
        if save is not None:
            session.copy(f"SELECT * EXCLUDE (file_row_number) FROM {parts.parquet(files, select)}", save)
        view, conditions = parts.divide(session, files, folder, select)
        found = analyse(session, view, conditions, wanted)
    if not found.spans:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in (*excluded, *found.excluded))
        raise BadInput(
            f"{source} holds no such span" + (f" ({reasons})" if reasons else ""), "ask for less, or another service"
        )
    total = Counter(dict(found.excluded))
    total.update(dict(excluded))
    return msgspec.structs.replace(found, excluded=tuple(sorted(total.items())))


def _read_file(source: str, scheme: str) -> spans.SpanFile:
    if scheme:
        raise BadUsage(f"{scheme}:// is no source of spans", "give a file, http(s)://, clickhouse:// or spark://")
    return spans.read_spans(Path(source))


def _table_kind(path: Path) -> str:
    if path.is_dir():
        return "parquet"
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", "give a file of spans") from error
    if start == b"PAR1":
        return "parquet"
    return "csv" if path.suffix.lower() in {".csv", ".tsv"} or path.name.lower().endswith(".csv.gz") else ""


def _files(path: Path) -> list[str]:
    if not path.is_dir():
        return [str(path)]
    found = sorted(str(one) for one in path.glob("*.parquet"))
    if not found:
        raise CannotLook(f"{path} holds no Parquet file", "give a file or a folder of *.parquet")
    return found
