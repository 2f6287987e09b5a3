"""A file in parts is the file as a whole, whatever the order of its rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spans.nasty import traces
from tests.spans.test_engines import by_duckdb
from unslow.evidence.span import Span
from unslow.spans import parts
from unslow.spans.analysis import SpanReport, analyse
from unslow.spans.session import DuckSession, closing
from unslow.spans.view import write_parquet


def in_parts(files: list[Path], folder: Path, number: int) -> SpanReport:
    with closing(DuckSession(threads=1)) as session:
        source, conditions = parts.divide(session, [str(file) for file in files], folder)
        assert len(conditions) >= number
        return analyse(session, source, conditions)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", 200)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("order", ["by trace", "by time", "shuffled"])
def test_parts_add_up_to_the_whole(tmp_path: Path, order: str) -> None:
    spans = traces(21, 150)
    keys = {
        "by trace": lambda one: (one.trace_id, one.start_ns),
        "by time": lambda one: (one.start_ns, one.trace_id),
        "shuffled": None,
    }
    key = keys[order]
    ordered: list[Span] = sorted(spans, key=key) if key else spans
    path = tmp_path / "spans.parquet"
    write_parquet(ordered, path)
    assert in_parts([path], tmp_path, 5) == by_duckdb(path)
    # Only where traces are scattered over the whole file is it worth sorting it first.
    assert (tmp_path / "by_trace.parquet").exists() == (order == "shuffled")


@pytest.mark.usefixtures("small_parts")
def test_several_files_share_traces(tmp_path: Path) -> None:
    spans = traces(22, 100)
    whole = tmp_path / "whole.parquet"
    write_parquet(spans, whole)
    files = [tmp_path / f"{number}.parquet" for number in range(3)]
    for number, file in enumerate(files):
        write_parquet(spans[number::3], file)
    assert in_parts(files, tmp_path, 4) == by_duckdb(whole)
