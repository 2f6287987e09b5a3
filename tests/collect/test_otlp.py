from __future__ import annotations

import gzip
import http.client
import json
import socket

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind

from unslow.collect import otlp
from unslow.collect.otlp import OtlpReceiver
from unslow.errors import BadUsage, Unavailable

SPAN = {
    "traceId": "0af7651916cd43dd8448eb211c80319c",
    "spanId": "b7ad6b7169203331",
    "name": "GET /",
    "kind": 2,
    "startTimeUnixNano": "1700000000000000000",
    "endTimeUnixNano": "1700000000050000000",
}


def export(*spans: dict) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def post(
    receiver: OtlpReceiver,
    body: bytes,
    path: str = "/v1/traces",
    media_type: str = "application/json",
    **headers,
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=10)
    fields = {"Content-Type": media_type, **{key.replace("_", "-"): value for key, value in headers.items()}}
    connection.request("POST", path, body, fields)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


@pytest.mark.parametrize("compression", [Compression.Gzip, Compression.NoCompression])
def test_the_real_exporter_delivers(compression):
    with OtlpReceiver(port=0) as receiver:
        exporter = OTLPSpanExporter(endpoint=f"{receiver.url}/v1/traces", compression=compression)
        provider = TracerProvider(resource=Resource.create({"service.name": "web"}))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer("test")
        with (
            tracer.start_as_current_span("GET /a", kind=SpanKind.SERVER, attributes={"http.route": "/a"}),
            tracer.start_as_current_span("SELECT", kind=SpanKind.CLIENT),
        ):
            pass
        provider.shutdown()
        inner, outer = receiver.stop()
    assert (outer.service, outer.name, outer.kind, outer.parent_span_id) == ("web", "GET /a", "server", None)
    assert outer.attributes == (("http.route", "/a"),)
    assert (inner.name, inner.parent_span_id, inner.trace_id) == ("SELECT", outer.span_id, outer.trace_id)


def test_json_is_taken_and_refused_spans_are_told():
    with OtlpReceiver(port=0) as receiver:
        assert post(receiver, export(SPAN)) == (200, b"{}")
        status, answer = post(receiver, export({**SPAN, "spanId": ""}, {**SPAN, "endTimeUnixNano": "1"}))
        assert (status, json.loads(answer)) == (200, {"partialSuccess": {"rejectedSpans": "2"}})
        assert receiver.excluded == (("negative duration", 1), ("no id", 1))
        assert len(receiver.stop()) == 1


def test_refused_spans_are_told_in_protobuf_too():
    answer = ExportTraceServiceResponse.FromString(otlp._response("application/x-protobuf", 3))
    assert answer.partial_success.rejected_spans == 3


@pytest.mark.parametrize(
    ("body", "changes", "status"),
    [
        (b"{}", {"path": "/v1/metrics"}, 404),
        (b"{}", {"media_type": "text/plain"}, 415),
        (b"{}", {"media_type": "application/x-www-form-urlencoded"}, 415),
        (b"{}", {"Content_Encoding": "br"}, 415),
        (b"{", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"[]", {}, 400),
        (b"hello", {"media_type": "application/x-protobuf"}, 400),
        (b"hello", {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(b" " * (otlp.MAX_INFLATED + 1)), {"Content_Encoding": "gzip"}, 413),
    ],
)
def test_what_is_no_export_is_refused(body, changes, status):
    with OtlpReceiver(port=0) as receiver:
        assert post(receiver, body, **changes)[0] == status
        assert post(receiver, export(SPAN))[0] == 200  # and it still works


@pytest.mark.parametrize(("length", "status"), [("999999999", 413), ("9" * 40, 413), ("-1", 411), ("x", 411)])
def test_the_length_is_held_to_the_cap_before_a_byte_is_read(length, status):
    with (
        OtlpReceiver(port=0) as receiver,
        socket.create_connection(("127.0.0.1", receiver.port), 10) as sender,
    ):
        sender.sendall(
            b"POST /v1/traces HTTP/1.1\r\nContent-Type: application/json\r\n"
            + f"Content-Length: {length}\r\n\r\n".encode()
        )
        assert sender.recv(100).startswith(f"HTTP/1.1 {status}".encode())


def test_spans_above_the_limit_are_counted():
    with OtlpReceiver(port=0, max_spans=1) as receiver:
        post(receiver, export(SPAN, {**SPAN, "spanId": "0000000000000001"}))
        assert receiver.excluded == (("beyond the span limit", 1),)
        assert len(receiver.stop()) == 1


def test_silent_senders_beyond_the_limit_are_cut_off_and_do_not_delay_the_stop(monkeypatch):
    monkeypatch.setattr(otlp, "MAX_CONNECTIONS", 2)
    receiver = OtlpReceiver(port=0)
    silent = [socket.create_connection(("127.0.0.1", receiver.port), 10) for _ in range(3)]
    assert silent[2].recv(1) == b""
    assert receiver.stop() == []
    for one in silent:
        one.close()


def test_a_taken_port_is_unavailable_and_a_wrong_one_bad_usage():
    with OtlpReceiver(port=0) as receiver, pytest.raises(Unavailable, match="OTLP port"):
        OtlpReceiver(port=receiver.port)
    with pytest.raises(BadUsage):
        OtlpReceiver(port=70_000)
    with pytest.raises(BadUsage):
        OtlpReceiver(port=0, host="somewhere")


def test_it_listens_on_loopback_only_and_stops_twice():
    receiver = OtlpReceiver(port=0)
    assert receiver._server.socket.getsockname()[0] == "127.0.0.1"
    receiver.stop()
    assert receiver.stop() == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", receiver.port), 5)
