"""Three engines and the plain Python of `measure`, held equal to the nanosecond on the rows that differ between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spans.nasty import traces
from unslow.evidence.span import Span
from unslow.measure.critical_path import critical_path
from unslow.measure.quantities import percentile
from unslow.measure.self_time import self_times_ns
from unslow.measure.span_tree import plant
from unslow.spans.analysis import SpanReport, Wanted, analyse
from unslow.spans.parts import parquet
from unslow.spans.session import DuckSession, closing
from unslow.spans.view import write_parquet

Key = tuple[str, str, str]


def expected(spans: list[Span]) -> dict[Key, tuple[int, int, int]]:
    forest = plant(spans)
    own = self_times_ns(forest)
    found: dict[Key, list[int]] = {}
    for at, span in enumerate(forest.spans):
        row = found.setdefault((span.service, span.name, span.kind), [0, 0, 0])
        row[0] += 1
        row[1] += own[at]
    for root in forest.roots:
        for at, start, end in critical_path(forest, root):
            span = forest.spans[at]
            found[span.service, span.name, span.kind][2] += end - start
    return {key: (row[0], row[1], row[2]) for key, row in found.items()}


def totals(report: SpanReport) -> dict[Key, tuple[int, int, int]]:
    return {
        (one.service, one.name, one.kind): (one.calls, one.self_ns, one.critical_path_ns) for one in report.operations
    }


def by_duckdb(path: Path, wanted: Wanted | None = None) -> SpanReport:
    with closing(DuckSession(threads=1)) as session:
        return analyse(session, parquet([str(path)]), ["1 = 1"], wanted)


@pytest.mark.parametrize("seed", range(30))
def test_duckdb_is_the_plain_measure(tmp_path: Path, seed: int) -> None:
    spans = traces(seed, 40)
    write_parquet(spans, tmp_path / "spans.parquet")
    report = by_duckdb(tmp_path / "spans.parquet")
    forest = plant(spans)
    assert totals(report) == expected(spans)
    assert report.excluded == forest.excluded
    assert report.repaired == forest.repaired
