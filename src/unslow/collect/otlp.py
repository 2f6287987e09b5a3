"""An OTLP/HTTP receiver for the diagnosis window: `POST /v1/traces`, protobuf or JSON, gzip or not."""

from __future__ import annotations

import http.server
import ipaddress
import socket
import threading
from typing import Any

import msgspec

from unslow.collect import otlp_payload
from unslow.collect.span_sink import SpanSink
from unslow.collect.spans import gunzip
from unslow.errors import BadInput, BadUsage, Unavailable
from unslow.evidence.span import Span

MAX_BODY = 8 * 2**20
"""Exporters send batches of 512 spans, well below a megabyte."""
MAX_INFLATED = 32 * 2**20
MAX_SPANS = 300_000
"""A minute of 5,000 spans a second."""
MAX_CONNECTIONS = 32
IDLE_S = 10.0
"""A sender that says nothing for so long is dropped."""


class Export(msgspec.Struct, rename="camel"):
    resource_spans: list[msgspec.Raw] = []


_decode_export = msgspec.json.Decoder(Export).decode


class OtlpReceiver:
    """Listens from construction until `stop()`; also a context manager.

    `port=0` takes a free one (see `port`). Loopback only, unless `host` names another address on
    purpose. Unavailable when the port is taken.
    """

    def __init__(self, port: int = 4318, host: str = "127.0.0.1", *, max_spans: int = MAX_SPANS) -> None:
        if not 0 <= port <= 65535:
            raise BadUsage(f"{port} is no port", "give one between 0 and 65535")
        try:
            ipaddress.ip_address(host)
        except ValueError as error:
            raise BadUsage(f"{host!r} is no IP address", "give the address to listen on") from error
        self._sink = SpanSink(max_spans)
        self._lock = threading.Lock()
        try:
            self._server = _Server((host, port), self._take)
        except OSError as error:
            raise Unavailable(
                f"the OTLP port {port}: {error.strerror or error}", "choose another free port for --otlp"
            ) from error
        self.host, self.port = host, self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What a service puts into OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://{self.host}:{self.port}"

    @property
    def excluded(self) -> tuple[tuple[str, int], ...]:
        """(reason, count) of spans that were refused, so far."""
        with self._lock:
            return tuple(sorted(self._sink.excluded.items()))

    def stop(self) -> list[Span]:
        """Close the port and return what came in, in order of arrival. May be called twice."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self._lock:
            return list(self._sink.spans)

    def __enter__(self) -> OtlpReceiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _take(self, body: bytes, media_type: str) -> int:
        """Add a payload; the number of its spans that were refused. BadInput when it cannot be read."""
        with self._lock:
            before = self._sink.excluded.total()
            if media_type == "application/json":
                try:
                    batches = _decode_export(body).resource_spans
                except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                    raise BadInput("not OTLP JSON") from error
                otlp_payload.read_resource_spans(batches, self._sink)
            else:
                otlp_payload.read_protobuf(body, self._sink)
            return self._sink.excluded.total() - before


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a sender that keeps its connection open must not hold up the diagnosis
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], take: Any) -> None:
        self.take = take
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        if ipaddress.ip_address(address[0]).version == 6:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that went away is no error of ours, and a trace on the terminal helps nobody."""


class _RefusedError(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S

    def do_POST(self) -> None:
        try:
            media_type = self._media_type()
            refused = self.server.take(self._body(), media_type)
        except _RefusedError as error:
            self._answer(error.status, "text/plain", str(error).encode(), close=True)
        except BadInput as error:
            self._answer(400, "text/plain", error.message.encode(), close=True)
        else:
            self._answer(200, media_type, _response(media_type, refused))

    def _media_type(self) -> str:
        if self.path.partition("?")[0] != "/v1/traces":
            raise _RefusedError(404, "only /v1/traces is here")
        media_type = self.headers.get_content_type()
        # A page in a browser can post text/plain or a form anywhere, but not these two.
        if media_type not in {"application/json", "application/x-protobuf"}:
            raise _RefusedError(415, "send application/x-protobuf or application/json")
        return media_type

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise _RefusedError(411, "Content-Length is missing")
        if len(length) > 9 or int(length) > MAX_BODY:
            raise _RefusedError(413, f"more than {MAX_BODY >> 20} MiB in one request")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise _RefusedError(400, "the body ends too early")
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding == "gzip":
            body = gunzip(body, MAX_INFLATED)
            if len(body) > MAX_INFLATED:
                raise _RefusedError(413, f"more than {MAX_INFLATED >> 20} MiB after decompression")
        elif encoding != "identity":
            raise _RefusedError(415, "send gzip or no compression")
        return body

    def _answer(self, status: int, media_type: str, body: bytes, *, close: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        if close:  # the rest of the request was perhaps not read
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "unslow"

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the terminal belongs to the diagnosis."""


def _response(media_type: str, refused: int) -> bytes:
    """ExportTraceServiceResponse; refused spans are told, as the protocol asks."""
    if media_type == "application/json":
        return b'{"partialSuccess":{"rejectedSpans":"%d"}}' % refused if refused else b"{}"
    if not refused:
        return b""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTracePartialSuccess,
        ExportTraceServiceResponse,
    )

    partial = ExportTracePartialSuccess(rejected_spans=refused)
    return bytes(ExportTraceServiceResponse(partial_success=partial).SerializeToString())
