"""Damaged files and generated traces: an answer or one clear error, and a count of all that is not in the answer."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.spans.nasty import BEGIN_NS, SECOND_NS, traces
from tests.spans.test_engines import by_duckdb, expected, totals
from unslow.collect import span_sources
from unslow.errors import UnslowError
from unslow.evidence.span import Span
from unslow.measure.span_tree import plant
from unslow.spans.analysis import Wanted
from unslow.spans.forest import TOO_DEEP
from unslow.spans.view import write_parquet

FILES = 500


def otlp(spans: list[Span]) -> bytes:
    def one(span: Span) -> dict[str, object]:
        return {
            "traceId": span.trace_id.encode().hex()[:32].ljust(32, "0"),
            "spanId": span.span_id.encode().hex()[:16].ljust(16, "0"),
            "parentSpanId": (span.parent_span_id or "").encode().hex()[:16].ljust(16, "0")
            if span.parent_span_id
            else "",
            "name": span.name,
            "kind": 2,
            "startTimeUnixNano": str(span.start_ns),
            "endTimeUnixNano": str(span.start_ns + span.duration_ns),
        }

    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    batch = {"resource": resource, "scopeSpans": [{"spans": [one(span) for span in spans]}]}
    return json.dumps({"resourceSpans": [batch]}).encode()


def otlp_protobuf(spans: list[Span]) -> bytes:
    from google.protobuf import json_format
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    document = json.loads(otlp(spans))
    for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        # Protobuf's JSON has base64 where OTLP has hexadecimal; the same digits are as good.
        span.update({key: span[key][:16] for key in ("traceId", "spanId", "parentSpanId")})
    return bytes(json_format.ParseDict(document, TracesData()).SerializeToString())


def jaeger(spans: list[Span]) -> bytes:
    def one(span: Span) -> dict[str, object]:
        reference = {"refType": "CHILD_OF", "traceID": span.trace_id, "spanID": span.parent_span_id}
        return {
            "traceID": span.trace_id,
            "spanID": span.span_id,
            "operationName": span.name,
            "references": [reference] if span.parent_span_id else [],
            "startTime": span.start_ns // 1000,
            "duration": span.duration_ns // 1000,
            "processID": span.service,
        }

    processes = {span.service: {"serviceName": span.service} for span in spans}
    data = [{"traceID": spans[0].trace_id, "spans": [one(span) for span in spans], "processes": processes}]
    return json.dumps({"data": data}).encode()


def zipkin(spans: list[Span]) -> bytes:
    return json.dumps(
        [
            {
                "traceId": span.trace_id,
                "id": span.span_id,
                "parentId": span.parent_span_id,
                "name": span.name,
                "kind": "SERVER",
                "timestamp": span.start_ns // 1000,
                "duration": span.duration_ns // 1000,
                "localEndpoint": {"serviceName": span.service},
            }
            for span in spans
        ]
    ).encode()


def xray(spans: list[Span]) -> bytes:
    documents = [
        {
            "id": span.span_id,
            "name": span.service,
            "trace_id": span.trace_id,
            "parent_id": span.parent_span_id,
            "start_time": span.start_ns / 1e9,
            "end_time": (span.start_ns + span.duration_ns) / 1e9,
        }
        for span in spans
    ]
    segments = [{"Id": one["id"], "Document": json.dumps(one)} for one in documents]
    return json.dumps({"Traces": [{"Id": spans[0].trace_id, "Segments": segments}]}).encode()


def csv(spans: list[Span]) -> bytes:
    rows = ["trace_id,span_id,parent_span_id,service,name,start_ns,duration_ns"]
    for one in spans:
        texts = (one.trace_id, one.span_id, one.parent_span_id or "", one.service, one.name)
        rows.append(",".join((*texts, str(one.start_ns), str(one.duration_ns))))
    return "\n".join(rows).encode()


def parquet(spans: list[Span]) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_parquet(spans, Path(folder, "spans.parquet"))
        return Path(folder, "spans.parquet").read_bytes()


FORMATS: tuple[tuple[str, Callable[[list[Span]], bytes]], ...] = (
    ("otlp.json", otlp),
    ("otlp.pb", otlp_protobuf),
    ("jaeger.json", jaeger),
    ("zipkin.json", zipkin),
    ("xray.json", xray),
    ("spans.csv", csv),
    ("spans.parquet", parquet),
)


def damaged(body: bytes, chance: random.Random) -> bytes:
    """Bytes overwritten, taken out, doubled or cut off, mostly few of them."""
    raw = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 5, 50))):
        at = chance.randrange(len(raw)) if raw else 0
        match chance.randrange(6):
            case 0:
                raw[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del raw[at : at + chance.choice((1, 2, 30))]
            case 2:
                raw[at:at] = raw[at : at + chance.choice((1, 20))]
            case 3:
                raw[at:at] = chance.choice((b"null", b"-1", b"9" * 30, b"[" * 2000, b"\\u0000", b"1e999", b"\xff"))
            case 4:
                raw[at : at + 1] = b"" if raw[at : at + 1].isdigit() else b"0"
            case _:
                if chance.random() < 0.3:
                    del raw[at:]
    return bytes(raw)


@pytest.mark.parametrize("form", [name for name, _ in FORMATS])
def test_a_sound_file_is_read_whole(tmp_path: Path, form: str) -> None:
    spans = _sound()
    (tmp_path / form).write_bytes(dict(FORMATS)[form](spans))
    report = span_sources.report(str(tmp_path / form), Wanted())
    assert (report.spans, report.excluded, report.requests) == (len(spans), (), 1)


@pytest.mark.parametrize("form", [name for name, _ in FORMATS])
def test_a_damaged_file_is_an_answer_or_one_clear_error(tmp_path: Path, form: str) -> None:
    sound, answered = dict(FORMATS)[form](_sound()), 0
    for seed in range(-(-FILES // len(FORMATS))):
        path = tmp_path / f"{seed}-{form}"
        path.write_bytes(damaged(sound, random.Random(f"{form} {seed}")))
        try:
            report = span_sources.report(str(path), Wanted())
        except UnslowError as error:
            assert error.message
            assert "\n" not in error.message
        else:
            answered += 1
            assert report.spans == sum(one.calls for one in report.operations) > 0
    assert answered > 0 or form == "spans.parquet"


def _sound() -> list[Span]:
    spans = [Span("trace", "00", None, "shop", "GET /", "server", BEGIN_NS, SECOND_NS)]
    for number in range(1, 12):
        parent = spans[(number - 1) // 2]
        start, duration = parent.start_ns + 1_000_000 * number, parent.duration_ns // 4 // 1000 * 1000
        spans.append(
            Span("trace", f"{number:02}", parent.span_id, "shop", f"op{number % 3}", "server", start, duration)
        )
    return spans


def test_fifty_thousand_traces_are_what_the_plain_measure_says(tmp_path: Path) -> None:
    spans = traces(99, 50_000)
    write_parquet(spans, tmp_path / "spans.parquet")
    report = by_duckdb(tmp_path / "spans.parquet")
    forest = plant(spans)
    assert (report.excluded, report.repaired) == (forest.excluded, forest.repaired)
    assert totals(report) == expected(spans)
    assert report.spans + sum(count for _, count in report.excluded) == len(spans)


def _chain(length: int, skew_ns: int = 0) -> list[Span]:
    services = ("front", "stock")
    return [
        Span(
            "t",
            str(number),
            str(number - 1) if number else None,
            services[number % 2],
            "op",
            "server",
            BEGIN_NS + number * 10 - (skew_ns if number == 1 else 0),
            1_000_000 - number * 20,
        )
        for number in range(length)
    ]


def test_a_very_deep_chain_ends(tmp_path: Path) -> None:
    spans = _chain(3_000)
    write_parquet(spans, tmp_path / "spans.parquet")
    assert totals(by_duckdb(tmp_path / "spans.parquet")) == expected(spans)


def test_a_very_deep_chain_in_a_damaged_trace_is_cut_and_counted(tmp_path: Path) -> None:
    write_parquet(_chain(3_000, skew_ns=1_000), tmp_path / "spans.parquet")
    report = by_duckdb(tmp_path / "spans.parquet")
    assert report.spans == 1_001
    assert dict(report.excluded) == {TOO_DEEP: 1_999}


def test_a_ring_of_parents_is_left_out(tmp_path: Path) -> None:
    ring = [msgspec.structs.replace(one, parent_span_id=one.parent_span_id or "1999") for one in _chain(2_000)]
    sound = [msgspec.structs.replace(one, trace_id="other") for one in _chain(5)]
    write_parquet([*ring, *sound], tmp_path / "spans.parquet")
    report = by_duckdb(tmp_path / "spans.parquet")
    assert (report.spans, dict(report.excluded)) == (5, {"cycle of parents": 2_000})


def test_thousands_of_children_side_by_side(tmp_path: Path) -> None:
    root = Span("t", "root", None, "shop", "GET /", "server", BEGIN_NS, 100_000_000)
    chance = random.Random(1)
    children = [
        Span("t", str(n), "root", "shop", f"op{n % 5}", "internal", BEGIN_NS + chance.randrange(90_000_000), n * 100)
        for n in range(5_000)
    ]
    write_parquet([root, *children], tmp_path / "spans.parquet")
    assert totals(by_duckdb(tmp_path / "spans.parquet")) == expected([root, *children])
