"""A real ClickHouse behind its HTTP interface: chDB answers what comes in on a loopback port."""

from __future__ import annotations

import http.server
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from unslow.spans.clickhouse import SETTINGS


@contextmanager
def clickhouse(password: str = "") -> Iterator[tuple[int, Any]]:
    """(port, chDB session). Settings in the URL are those of the session, as on a server."""
    from chdb import session as chdb_session

    session = chdb_session.Session()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            options = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
            statement = self.rfile.read(int(self.headers["Content-Length"])).decode()
            try:
                for name in SETTINGS:
                    session.query(f"SET {name} = {options[name]}")
                answer = session.query(statement)
                status, body = 200, bytes(answer.bytes()) if answer else b""
            except RuntimeError as error:
                status, body = 500, str(error).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1], session
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        session.close()


OTEL_TRACES = """CREATE TABLE default.otel_traces (
    Timestamp DateTime64(9), TraceId String, SpanId String, ParentSpanId String, TraceState String,
    SpanName LowCardinality(String), SpanKind LowCardinality(String), ServiceName LowCardinality(String),
    ResourceAttributes Map(LowCardinality(String), String), ScopeName String, ScopeVersion String,
    SpanAttributes Map(LowCardinality(String), String), Duration UInt64, StatusCode LowCardinality(String),
    StatusMessage String
) ENGINE = MergeTree ORDER BY (ServiceName, SpanName, Timestamp)"""
"""As the collector's exporter makes it, without codecs, indexes, events and links."""
