"""`unslow spans` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.spans.nasty import traces
from tests.spans.test_fuzz import _sound, jaeger
from unslow.cli import main
from unslow.spans.view import write_parquet


def test_the_table_of_operations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "traces.json").write_bytes(jaeger(_sound()))
    assert main(["spans", str(tmp_path / "traces.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("12 spans of 1 requests in 1 traces (DuckDB")
    assert lines[2].split() == ["operation", "calls", "p50", "p95", "p99", "self", "ms", "critical", "ms"]
    assert lines[3].startswith("shop: GET /")


def test_json_holds_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_parquet(traces(31, 50), tmp_path / "spans.parquet")
    assert main(["spans", str(tmp_path / "spans.parquet"), "--json", "--service", "stock", "--slow-than", "200ms"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["requests"] > 0
    assert {"excluded", "repaired", "gaps", "repeated", "operations", "quantile_error", "sampled"} <= document.keys()


def test_a_sample_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_parquet(traces(32, 200, damage=0.0), tmp_path / "spans.parquet")
    assert main(["spans", str(tmp_path / "spans.parquet"), "--sample", "0.5"]) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert "a sample of 50.00% of the traces" in head
    assert 50 < int(head.split(" traces")[0].split()[-1]) < 150


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["nowhere.json"], 2),
        (["ftp://host/x"], 2),
        (["clickhouse://127.0.0.1:1/x"], 3),
        (["clickhouse://127.0.0.1:1/x?table=a;b"], 2),
        (["spark://"], 2),
        (["http://127.0.0.1:1/"], 2),
    ],
)
def test_a_source_that_is_none(words: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spans", *words]) == code
    error = capsys.readouterr().err
    assert error.startswith("unslow: ")
    assert "Traceback" not in error
