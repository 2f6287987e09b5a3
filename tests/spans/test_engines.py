"""Three engines and the plain Python of `measure`, held equal to the nanosecond on the rows that differ between them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.spans.clickhouse_server import OTEL_TRACES, clickhouse
from tests.spans.nasty import BEGIN_NS, SECOND_NS, traces
from tests.spans.spark_cluster import cluster, need_spark
from unslow.evidence.span import Span
from unslow.measure.critical_path import critical_path
from unslow.measure.quantities import percentile
from unslow.measure.self_time import self_times_ns
from unslow.measure.span_tree import Forest, plant
from unslow.spans.analysis import OperationRow, SpanReport, Wanted, analyse
from unslow.spans.clickhouse import Address, ClickHouseSession, otel_view, over_http
from unslow.spans.parts import parquet
from unslow.spans.session import DuckSession, closing
from unslow.spans.spark import SOURCE, SparkSession
from unslow.spans.view import write_parquet

Key = tuple[str, str, str]


def expected(spans: list[Span], service: str | None = None) -> dict[Key, tuple[int, int, int]]:
    forest = plant(spans)
    own = self_times_ns(forest)
    found: dict[Key, list[int]] = {}
    for entry in entries(forest, service):
        for at in forest.below(entry):
            row = found.setdefault(key_of(forest.spans[at]), [0, 0, 0])
            row[0] += 1
            row[1] += own[at]
        for at, start, end in critical_path(forest, entry):
            found[key_of(forest.spans[at])][2] += end - start
    return {key: (row[0], row[1], row[2]) for key, row in found.items()}


def entries(forest: Forest, service: str | None) -> list[int]:
    """The outermost spans of the service, or the roots."""
    waiting, found = list(forest.roots), []
    while waiting:
        at = waiting.pop()
        if service is None or forest.spans[at].service == service:
            found.append(at)
        else:
            waiting.extend(forest.children[at])
    return found


def key_of(one: Span | OperationRow) -> Key:
    return (one.service, one.name, one.kind)


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
    forest = plant(spans)
    for sql in (False, True):
        report = by_duckdb(tmp_path / "spans.parquet", Wanted(sql=sql))
        assert totals(report) == expected(spans)
        assert report.excluded == forest.excluded
        assert report.repaired == forest.repaired


def same(one: SpanReport, other: SpanReport) -> None:
    """Everything equal but the engine's name and the quantiles, which may differ by twice the stated error."""
    bare = {"engine": "", "operations": ()}
    assert msgspec.structs.replace(one, **bare) == msgspec.structs.replace(other, **bare)
    assert totals(one) == totals(other)
    error = one.quantile_error + other.quantile_error
    for mine, theirs in zip(by_name(one), by_name(other), strict=True):
        assert (mine.errors, mine.typical_ns, mine.tail_ns) == (theirs.errors, theirs.typical_ns, theirs.tail_ns)
        for field in ("p50_ns", "p95_ns", "p99_ns"):
            assert getattr(mine, field) == pytest.approx(getattr(theirs, field), rel=error)


def by_name(report: SpanReport) -> list[OperationRow]:
    return sorted(report.operations, key=key_of)


WANTED = (
    Wanted(),
    Wanted(service="stock"),
    Wanted(slower_than_ns=SECOND_NS // 2),
    Wanted(service="façade", slower_than_ns=1),
)


def test_quantiles_keep_their_word(tmp_path: Path) -> None:
    spans = traces(7, 300, damage=0.0)
    write_parquet(spans, tmp_path / "spans.parquet")
    for row in by_duckdb(tmp_path / "spans.parquet").operations:
        calls = [one.duration_ns for one in plant(spans).spans if key_of(one) == key_of(row)]
        for q, got in ((0.5, row.p50_ns), (0.95, row.p95_ns), (0.99, row.p99_ns)):
            assert got == pytest.approx(percentile(calls, q), rel=0.01)


def test_a_service_is_entered_at_its_outermost_spans(tmp_path: Path) -> None:
    spans = traces(11, 60)
    write_parquet(spans, tmp_path / "spans.parquet")
    report = by_duckdb(tmp_path / "spans.parquet", Wanted(service="stock"))
    assert report.requests == len(entries(plant(spans), "stock"))
    assert totals(report) == expected(spans, "stock")


def test_only_slow_requests_are_kept(tmp_path: Path) -> None:
    spans = traces(12, 60)
    write_parquet(spans, tmp_path / "spans.parquet")
    forest = plant(spans)
    slow = [root for root in forest.roots if forest.spans[root].duration_ns >= SECOND_NS]
    report = by_duckdb(tmp_path / "spans.parquet", Wanted(slower_than_ns=SECOND_NS))
    assert (report.requests, report.spans) == (len(slow), sum(len(forest.below(root)) for root in slow))
    assert 0 < report.requests < len(forest.roots)


def test_gaps_are_client_less_server(tmp_path: Path) -> None:
    spans = traces(13, 80)
    write_parquet(spans, tmp_path / "spans.parquet")
    report = by_duckdb(tmp_path / "spans.parquet")
    forest = plant(spans)
    gaps = []
    for at, span in enumerate(forest.spans):
        below = [forest.spans[child] for child in forest.children[at]]
        servers = [one for one in below if one.kind == "server" and one.service != span.service]
        if span.kind == "client" and len(servers) == 1 and servers[0].duration_ns <= span.duration_ns:
            gaps.append(span.duration_ns - servers[0].duration_ns)
    assert sum(gap.calls for gap in report.gaps) == len(gaps) > 0
    assert sum(gap.calls * gap.mean_ns for gap in report.gaps) == pytest.approx(sum(gaps))


def test_repeated_calls_are_counted_by_caller(tmp_path: Path) -> None:
    def span(number: int, parent: int | None, name: str) -> Span:
        start = BEGIN_NS + number * 1_000
        return Span("t", str(number), None if parent is None else str(parent), "shop", name, "internal", start, 500)

    spans = [Span("t", "0", None, "shop", "list", "internal", BEGIN_NS, 100_000)]
    spans += [span(number, 0, "select one") for number in range(1, 8)]
    spans += [span(8, 0, "select all"), span(9, 0, "select all")]
    write_parquet(spans, tmp_path / "spans.parquet")
    (found,) = by_duckdb(tmp_path / "spans.parquet").repeated
    assert (found.caller_name, found.name, found.callers, found.calls, found.most) == ("list", "select one", 1, 7, 7)


def test_the_tail_is_compared_with_the_typical_request(tmp_path: Path) -> None:
    spans = []
    for number in range(100):
        slow = 900_000_000 if number >= 95 else 0
        trace_id, start = f"t{number}", BEGIN_NS + number * SECOND_NS
        spans.append(Span(trace_id, "1", None, "shop", "GET /", "server", start, 100_000_000 + number + slow))
        spans.append(Span(trace_id, "2", "1", "stock", "read", "server", start + 10, 50_000_000 + slow))
    write_parquet(spans, tmp_path / "spans.parquet")
    report = by_duckdb(tmp_path / "spans.parquet")
    assert (report.typical_requests, report.tail_requests) == (51, 6)
    stock, shop = sorted(report.operations, key=lambda one: one.tail_excess_ns, reverse=True)
    assert (stock.service, shop.service) == ("stock", "shop")
    assert stock.tail_excess_ns == pytest.approx(900_000_000 * 5 / 6)
    assert shop.tail_excess_ns < 100


def test_clickhouse_answers_the_same(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="chdb is not installed")
    spans = [msgspec.structs.replace(one, duration_ns=abs(one.duration_ns)) for one in traces(3, 60)]
    path = tmp_path / "spans.parquet"
    write_parquet(spans, path)
    with clickhouse() as (port, server):
        server.query(OTEL_TRACES)
        # The parent of a root is the empty text there, and kinds and statuses begin with a capital.
        server.query(
            f"""INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName,
              Duration, StatusCode) SELECT fromUnixTimestamp64Nano(start_ns), trace_id, span_id,
              coalesce(parent_span_id, ''), name, initcap(kind), service, duration_ns, initcap(status)
              FROM file('{path}', Parquet)"""
        )
        address = Address.of(f"clickhouse://default@127.0.0.1:{port}/default")
        # Columns of Parquet are Nullable, and an unmatched join gives NULL or 0 by a setting.
        nullable = f"(SELECT * EXCEPT (attributes) FROM file('{path}', Parquet)) AS source"
        for source in (otel_view(address.table), nullable):
            for wanted in WANTED:
                with closing(ClickHouseSession(over_http(address))) as session:
                    same(analyse(session, source, ["1 = 1"], wanted), by_duckdb(path, wanted))


def test_clickhouse_in_parts_answers_the_same(tmp_path: Path) -> None:
    pytest.importorskip("chdb", reason="chdb is not installed")
    path = tmp_path / "spans.parquet"
    write_parquet(traces(4, 60), path)
    source = f"(SELECT * EXCEPT (attributes) FROM file('{path}', Parquet)) AS source"
    parts = [f"sipHash64(trace_id) % 3 = {rest}" for rest in range(3)]
    with clickhouse() as (port, _):
        session = ClickHouseSession(over_http(Address.of(f"clickhouse://127.0.0.1:{port}")))
        same(analyse(session, source, parts), by_duckdb(path))


def test_spark_answers_the_same(tmp_path: Path) -> None:
    need_spark()
    path = tmp_path / "spans.parquet"
    write_parquet(traces(5, 40), path)
    with cluster(tmp_path) as master:
        settings = {
            "spark.sql.shuffle.partitions": "2",
            "spark.driver.host": "127.0.0.1",
            "spark.executor.memory": "512m",
        }
        with closing(SparkSession(master, str(path), **settings)) as session:
            same(analyse(session, SOURCE, ["1 = 1"]), by_duckdb(path))
    for worker in ("one", "two"):
        assert "Asked to launch executor" in (tmp_path / f"{worker}.log").read_text()


def test_spark_keeps_the_requests_asked_for(tmp_path: Path) -> None:
    need_spark()
    path = tmp_path / "spans.parquet"
    write_parquet(traces(6, 15), path)
    with closing(SparkSession("local[1]", str(path), **{"spark.sql.shuffle.partitions": "1"})) as session:
        wanted = Wanted(service="stock", slower_than_ns=1)
        same(analyse(session, SOURCE, ["1 = 1"], wanted), by_duckdb(path, wanted))


def test_spark_and_clickhouse_agree_on_texts_that_are_not_there(tmp_path: Path) -> None:
    """Hashes of NULL differ between engines, and one of them skips it."""
    pytest.importorskip("chdb", reason="chdb is not installed")
    need_spark()
    path = tmp_path / "spans.parquet"
    with closing(DuckSession(threads=1)) as session:
        session.copy(
            f"""SELECT * FROM (VALUES
              ('t1', 'a', NULL, NULL, 'x', NULL, {BEGIN_NS}, 100, NULL), ('t1', 'b', 'a', 'x', NULL, NULL, {BEGIN_NS}, 40, NULL),
              ('t1', 'c', 'a', '', '', 'server', {BEGIN_NS} + 50, 10, 'error'), ('t2', 'a', '', NULL, '', NULL, {BEGIN_NS}, 7, ''),
              (NULL, 'a', NULL, 'x', 'x', NULL, {BEGIN_NS}, 7, NULL), ('t2', '', 'a', 'x', 'x', NULL, {BEGIN_NS}, 7, NULL),
              ('t2', 'b', 'a', 'x', 'x', NULL, NULL, 7, NULL), ('t2', 'c', 'a', 'x', 'x', NULL, 7, 7, NULL)
            ) t(trace_id, span_id, parent_span_id, service, name, kind, start_ns, duration_ns, status)""",
            path,
        )
    report = by_duckdb(path)
    assert totals(report) == {
        ("unknown", "x", "unspecified"): (1, 50, 50),
        ("x", "unnamed", "unspecified"): (1, 40, 40),
        ("unknown", "unnamed", "server"): (1, 10, 10),
        ("unknown", "unnamed", "unspecified"): (1, 7, 7),
    }
    assert dict(report.excluded) == {"no id": 2, "impossible time": 2}
    with clickhouse() as (port, _):
        source = f"(SELECT * FROM file('{path}', Parquet)) AS source"
        session = ClickHouseSession(over_http(Address.of(f"clickhouse://127.0.0.1:{port}")))
        same(analyse(session, source, ["1 = 1"]), report)
    with closing(SparkSession("local[1]", str(path), **{"spark.sql.shuffle.partitions": "1"})) as spark:
        same(analyse(spark, SOURCE, ["1 = 1"]), report)
