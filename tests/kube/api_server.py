"""An HTTP server that answers as the API server would in cases that a healthy one does not show."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from unslow.kube.client import Client
from unslow.kube.config import Access


class Answer:
    def __init__(self, body: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.headers = headers or {}
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


Handler = Callable[[str, dict[str, str], http.client.HTTPMessage], Answer]


def status(code: int, reason: str, message: str = "", **more: Any) -> Answer:
    body = {"kind": "Status", "code": code, "reason": reason, "message": message, **more}
    return Answer(body, code)


@contextlib.contextmanager
def answering(handler: Handler, **access: Any) -> Iterator[Client]:
    """A client of a server that answers with `handler(path, query, headers)`."""

    class _Server(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            parts = urlsplit(self.path)
            answer = handler(parts.path, dict(parse_qsl(parts.query)), self.headers)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - names that the library calls

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with Client(Access(server=f"http://127.0.0.1:{server.server_address[1]}", **access)) as client:
            yield client
    finally:
        server.shutdown()
        server.server_close()
