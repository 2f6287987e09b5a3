from __future__ import annotations

import base64
import gzip
import json
import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from unslow.collect.spans import read_spans
from unslow.errors import BadInput
from unslow.evidence.span import Span
from unslow.measure.span_table import summarise

START = 1_700_000_000 * 10**9
TRACE = "0af7651916cd43dd8448eb211c80319c"
ROOT, CHILD = "b7ad6b7169203331", "00f067aa0ba902b7"

EXPECTED = (
    Span(
        TRACE, ROOT, None, "web", "GET /a", "server", START, 90_000_000, "error",
        (("http.route", "/a"), ("http.status_code", "500")),
    ),
    Span(TRACE, CHILD, ROOT, "web", "SELECT", "client", START + 1_000_000, 40_000_000, "unset", ()),
)  # fmt: skip


def otlp_json(spans=EXPECTED, *, text_ids=lambda identity: identity) -> dict:
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "web"}}]},
                "scopeSpans": [
                    {
                        "scope": {"name": "x"},
                        "spans": [
                            {
                                "traceId": text_ids(one.trace_id),
                                "spanId": text_ids(one.span_id),
                                "parentSpanId": text_ids(one.parent_span_id or ""),
                                "name": one.name,
                                "kind": {"server": 2, "client": 3}[one.kind],
                                "startTimeUnixNano": str(one.start_ns),
                                "endTimeUnixNano": str(one.end_ns),
                                "attributes": [
                                    {
                                        "key": key,
                                        "value": {"intValue" if value.isdigit() else "stringValue": value},
                                    }
                                    for key, value in one.attributes
                                ]
                                + [{"key": "db.statement", "value": {"stringValue": "password=hunter2"}}],
                                "status": {"code": 2} if one.status == "error" else {},
                            }
                            for one in spans
                        ],
                    }
                ],
            }
        ]
    }


def otlp_protobuf() -> bytes:
    request = ExportTraceServiceRequest()
    batch = request.resource_spans.add()
    batch.resource.attributes.add(key="service.name").value.string_value = "web"
    scope = batch.scope_spans.add()
    for one in EXPECTED:
        span = scope.spans.add(
            trace_id=bytes.fromhex(one.trace_id),
            span_id=bytes.fromhex(one.span_id),
            parent_span_id=bytes.fromhex(one.parent_span_id or ""),
            name=one.name,
            kind={"server": 2, "client": 3}[one.kind],
            start_time_unix_nano=one.start_ns,
            end_time_unix_nano=one.end_ns,
        )
        span.status.code = 2 if one.status == "error" else 0
        for key, value in one.attributes:
            if value.isdigit():
                span.attributes.add(key=key).value.int_value = int(value)
            else:
                span.attributes.add(key=key).value.string_value = value
    return request.SerializeToString()


def jaeger_json() -> dict:
    return {
        "data": [
            {
                "traceID": TRACE,
                "spans": [
                    {
                        "traceID": TRACE,
                        "spanID": one.span_id,
                        "operationName": one.name,
                        "references": [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": one.parent_span_id}]
                        if one.parent_span_id
                        else [],
                        "startTime": one.start_ns // 1000,
                        "duration": one.duration_ns // 1000,
                        "processID": "p1",
                        "tags": [
                            {"key": "span.kind", "type": "string", "value": one.kind},
                            *({"key": key, "type": "string", "value": value} for key, value in one.attributes),
                            *([{"key": "error", "type": "bool", "value": True}] if one.status == "error" else []),
                        ],
                        "logs": [{"timestamp": 1, "fields": []}],
                    }
                    for one in EXPECTED
                ],
                "processes": {"p1": {"serviceName": "web", "tags": []}},
            }
        ],
        "total": 0,
        "errors": None,
    }


def zipkin_json() -> list:
    return [
        {
            "traceId": one.trace_id,
            "id": one.span_id,
            **({"parentId": one.parent_span_id} if one.parent_span_id else {}),
            "kind": one.kind.upper(),
            "name": one.name,
            "timestamp": one.start_ns // 1000,
            "duration": one.duration_ns // 1000,
            "localEndpoint": {"serviceName": "web"},
            "tags": {**dict(one.attributes), **({"error": ""} if one.status == "error" else {})},
        }
        for one in EXPECTED
    ]


def in_base64(identity: str) -> str:
    return base64.b64encode(bytes.fromhex(identity)).decode()


def lines(*documents) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


FILES = {
    "otlp": json.dumps(otlp_json()).encode(),
    "otlp, indented": json.dumps(otlp_json(), indent=2).encode(),
    "otlp, base64 ids": json.dumps(otlp_json(text_ids=in_base64)).encode(),
    "otlp, a line each": lines(otlp_json(EXPECTED[:1]), otlp_json(EXPECTED[1:])),
    "otlp, under the old name": json.dumps({"batches": otlp_json()["resourceSpans"]}).encode(),
    "otlp protobuf": otlp_protobuf(),
    "jaeger": json.dumps(jaeger_json()).encode(),
    "jaeger, one trace": json.dumps(jaeger_json()["data"][0]).encode(),
    "jaeger, list of traces": json.dumps(jaeger_json()["data"]).encode(),
    "zipkin": json.dumps(zipkin_json()).encode(),
    "zipkin, lists": json.dumps([zipkin_json()]).encode(),
    "zipkin, a line each": lines(*zipkin_json()),
    "gzip": gzip.compress(otlp_protobuf()[:0] + json.dumps(jaeger_json()).encode()),
    "gzip in two members": gzip.compress(lines(otlp_json(EXPECTED[:1])))
    + gzip.compress(lines(otlp_json(EXPECTED[1:]))),
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(zipkin_json()).encode(),
}


def read(folder: Path, body: bytes, **caps):
    path = folder / "traces"
    path.write_bytes(body)
    return read_spans(path, **caps)


@pytest.mark.parametrize("form", FILES)
def test_every_form_gives_the_same_spans(tmp_path, form):
    found = read(tmp_path, FILES[form])
    assert found.spans == EXPECTED
    assert found.excluded == ()


def test_protobuf_whose_second_byte_is_a_bracket_is_still_protobuf(tmp_path):
    request = ExportTraceServiceRequest.FromString(otlp_protobuf())
    batch = request.resource_spans[0]
    del batch.scope_spans[0].spans[1:]
    del batch.scope_spans[0].spans[0].attributes[:]
    batch.scope_spans[0].spans[0].name += "x" * (ord("{") - batch.ByteSize())
    body = request.SerializeToString()
    assert body[:2] == b"\n{"
    assert len(read(tmp_path, body).spans) == 1


def test_statements_and_query_strings_are_never_kept(tmp_path):
    document = zipkin_json()
    document[0]["tags"] = {
        "sql.query": "x",
        "http.url": "https://joe:secret@h/p?token=secret",
        "url.path": "/p?k=secret",
    }
    (first, _) = read(tmp_path, json.dumps(document).encode()).spans
    assert first.attributes == (("http.url", "https://h/p"), ("url.path", "/p"))


def test_control_characters_do_not_reach_the_terminal(tmp_path):
    document = zipkin_json()
    document[0]["name"] = "a\x1b[2Jb\u202e"
    assert read(tmp_path, json.dumps(document).encode()).spans[0].name == "a?[2Jb?"


def test_zipkin_client_and_server_with_one_id_become_parent_and_child(tmp_path):
    client, server, inner = (dict(zipkin_json()[0]) for _ in range(3))
    client.update(kind="CLIENT", localEndpoint={"serviceName": "front"})
    server.update(shared=True, duration=50_000)
    inner.update(id="0000000000000001", parentId=ROOT, kind="CLIENT")
    found = read(tmp_path, json.dumps([client, server, inner]).encode()).spans
    assert [(one.span_id, one.parent_span_id) for one in found] == [
        (ROOT, None),
        (f"{ROOT}-server", ROOT),
        ("0000000000000001", f"{ROOT}-server"),
    ]
    assert summarise(found).network_s == pytest.approx(0.040)


DAMAGE = [
    ("startTime", -5, "impossible time"),
    ("startTime", 0, "impossible time"),
    ("startTime", 10**30, "impossible time"),
    ("startTime", 1e300, "impossible time"),
    ("startTime", "yesterday", "impossible time"),
    ("startTime", None, "impossible time"),
    ("startTime", [], "unreadable record"),
    ("duration", -1, "negative duration"),
    ("duration", 10**18, "impossible time"),
    ("spanID", "", "no id"),
    ("spanID", None, "unreadable record"),
    ("tags", "none", "unreadable record"),
]


@pytest.mark.parametrize(("field", "value", "reason"), DAMAGE)
def test_one_damaged_span_costs_only_itself(tmp_path, field, value, reason):
    document = jaeger_json()
    document["data"][0]["spans"][1][field] = value
    found = read(tmp_path, json.dumps(document).encode())
    assert found.spans == EXPECTED[:1]
    assert found.excluded == ((reason, 1),)


def test_an_unfinished_last_line_costs_only_itself(tmp_path):
    body = lines(otlp_json()) + json.dumps(otlp_json()).encode()[:100]
    found = read(tmp_path, body)
    assert found.spans == EXPECTED
    assert found.excluded == (("unreadable record", 1),)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no usable span"),
        (b"{}", "none of the known"),
        (b"[]", "no usable span"),
        (b"hello", "no OTLP protobuf"),
        (b'{"data": [', "damaged"),
        (b"[" * 100_000, "damaged"),
        (b'{"a":' * 100_000, "damaged"),
        (b"\x1f\x8b\x08\x00garbage", "gzip stream"),
        (gzip.compress(b"{}" * 1000)[:-12], "gzip stream"),
        (b'{"data": null}', "none of the known"),
        (b'{"data": [1, "x", null]}', "no usable span (3 x unreadable record)"),
        (b"\xff\xfe{\x00", "no OTLP protobuf"),
    ],
)
def test_useless_files_get_one_clear_line(tmp_path, body, says):
    with pytest.raises(BadInput) as caught:
        read(tmp_path, body)
    assert says in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.remedy


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(BadInput, match="is no file"):
            read_spans(path)


def test_a_file_above_the_cap_is_refused_also_when_compressed(tmp_path):
    bomb = gzip.compress(b" " * 50_000_000)
    tracemalloc.start()
    for body in (b" " * 2_000_000, bomb):
        with pytest.raises(BadInput, match="larger than"):
            read(tmp_path, body, max_bytes=1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_spans_above_the_limit_are_counted(tmp_path):
    found = read(tmp_path, FILES["jaeger"], max_spans=1)
    assert len(found.spans) == 1
    assert found.excluded == (("beyond the span limit", 1),)


def mutilate(body: bytes, random_: random.Random) -> bytes:
    kind = random_.randrange(4)
    at, to = sorted(random_.randrange(len(body)) for _ in range(2))
    if kind == 0:
        return body[:at]
    if kind == 1:
        return body[:at] + body[to:]
    if kind == 2:
        return body[:to] + body[at:]
    changed = bytearray(body)
    for _ in range(random_.randrange(1, 8)):
        changed[random_.randrange(len(body))] = random_.randrange(256)
    return bytes(changed)


def survives(folder: Path, body: bytes) -> bool:
    """Read and sum up; True when spans came out. Anything but BadInput fails the test."""
    try:
        found = read(folder, body)
    except BadInput:
        return False
    summed = summarise(found.spans, excluded=found.excluded)
    assert summed.spans + sum(count for _, count in summed.excluded) >= len(found.spans)
    json.dumps([one.name for one in summed.operations]).encode()
    return True


@pytest.mark.parametrize("form", FILES)
def test_damaged_files(tmp_path, form):
    random_ = random.Random(form)
    outcomes = [survives(tmp_path, mutilate(FILES[form], random_)) for _ in range(100)]
    assert not all(outcomes)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(["otlp", "jaeger", "zipkin"]), st.data())
def test_any_value_anywhere(tmp_path_factory, form, data):
    document = json.loads(FILES[form])
    places = []

    def walk(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            places.append((node, key))
            if isinstance(value, dict | list):
                walk(value)

    walk(document)
    for _ in range(data.draw(st.integers(1, 3))):
        node, key = data.draw(st.sampled_from(places))
        node[key] = data.draw(VALUES)
    survives(tmp_path_factory.getbasetemp(), json.dumps(document).encode())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory, body):
    survives(tmp_path_factory.getbasetemp(), body)
