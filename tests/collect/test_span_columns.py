"""Foreign columns as the canonical view."""

from __future__ import annotations

from pathlib import Path

import pytest

from unslow.collect import span_columns, span_sources
from unslow.errors import BadInput, BadUsage
from unslow.spans.analysis import Wanted

ROWS = """TraceID,SpanID,ParentID,PodName,OperationName,Kind,Begin,Took,Code
t1,a,,shop,GET /,SPAN_KIND_SERVER,1700000000.5,0.25,STATUS_CODE_ERROR
t1,b,a,stock,read,Client,1700000000.6,0.1,
t1,c,a,stock,read,Client,soon,0.1,
"""
MAP = "service=PodName,start_s=Begin,duration_s=Took,status=Code"


def test_a_map_names_columns_and_their_unit(tmp_path: Path) -> None:
    (tmp_path / "spans.csv").write_text(ROWS)
    report = span_sources.report(str(tmp_path / "spans.csv"), Wanted(), columns=span_columns.parsed(MAP))
    assert dict(report.excluded) == {"impossible time": 1}
    shop, stock = sorted(report.operations, key=lambda one: one.service)
    assert (shop.kind, shop.errors, shop.self_ns) == ("server", 1, 150_000_000)
    assert (stock.kind, stock.errors, stock.critical_path_ns) == ("client", 0, 100_000_000)


def test_saved_parquet_is_the_same_source(tmp_path: Path) -> None:
    (tmp_path / "spans.csv").write_text(ROWS)
    columns, out = span_columns.parsed(MAP), tmp_path / "folder" / "one.parquet"
    out.parent.mkdir()
    report = span_sources.report(str(tmp_path / "spans.csv"), Wanted(), columns=columns, save=out)
    assert span_sources.report(str(out), Wanted()) == report
    assert span_sources.report(str(out.parent), Wanted()) == report


def test_nanoseconds_keep_their_last_digit(tmp_path: Path) -> None:
    rows = "trace_id,span_id,service,name,start_s,end_s\nt,a,shop,GET,1700000000.123456789,1700000000.123456790\n"
    (tmp_path / "spans.csv").write_text(rows)
    (only,) = span_sources.report(str(tmp_path / "spans.csv"), Wanted()).operations
    assert only.self_ns == 1


@pytest.mark.parametrize("text", ["pod=PodName", "service", "service=", "=x"])
def test_a_map_that_means_nothing(text: str) -> None:
    with pytest.raises(BadUsage):
        span_columns.parsed(text)


def test_columns_that_are_missing_are_named(tmp_path: Path) -> None:
    (tmp_path / "spans.csv").write_text(ROWS)
    with pytest.raises(BadInput, match="no column for service, start_ns, duration_ns"):
        span_sources.report(str(tmp_path / "spans.csv"), Wanted())
    with pytest.raises(BadInput, match="no column 'Pod'"):
        span_sources.report(str(tmp_path / "spans.csv"), Wanted(), columns={"service": "Pod"})
