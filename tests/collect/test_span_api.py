"""The query APIs of Jaeger, Tempo and Zipkin, each played by a small server on loopback."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from tests.spans.test_fuzz import _sound, jaeger, otlp, zipkin
from unslow.collect.span_api import read_url
from unslow.errors import BadInput, BadUsage, CannotLook

Answers = Mapping[str, bytes | Callable[[Mapping[str, str]], bytes]]


@contextmanager
def server(answers: Answers) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            answer = answers.get(parts.path)
            body = answer(dict(urllib.parse.parse_qsl(parts.query))) if callable(answer) else answer
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_address[1]}"
        finally:
            listening.shutdown()
            thread.join()


def test_jaeger_is_asked_for_the_service() -> None:
    asked: list[Mapping[str, str]] = []

    def traces(query: Mapping[str, str]) -> bytes:
        asked.append(query)
        return jaeger(_sound())

    with server({"/api/services": b'{"data": ["shop"]}', "/api/traces": traces}) as url:
        found = read_url(url, "the shop")
    assert (len(found.spans), found.format) == (12, "Jaeger JSON")
    assert [one["service"] for one in asked] == ["the shop"]


def test_tempo_names_traces_which_are_then_fetched() -> None:
    asked: list[str] = []

    def search(query: Mapping[str, str]) -> bytes:
        asked.append(query["q"])
        return json.dumps({"traces": [{"traceID": "a1"}, {"traceID": "b2"}, {"traceID": "../x"}]}).encode()

    second = json.dumps({"trace": json.loads(otlp(_sound()))}).replace("7472616365", "8472616365").encode()
    with server(
        {"/api/echo": b"echo", "/api/search": search, "/api/traces/a1": otlp(_sound()), "/api/traces/b2": second}
    ) as url:
        found = read_url(url, 'a "shop"')
        assert len({span.trace_id for span in found.spans}) == 2
        assert (len(found.spans), found.format) == (24, "Tempo")
        assert len(read_url(f"{url}/api/traces/b2").spans) == 12
    assert asked == ['{ resource.service.name = "a \\"shop\\"" }']


def test_zipkin_is_known_by_its_list_of_services() -> None:
    with server({"/api/v2/services": b'["shop"]', "/api/v2/traces": lambda _: zipkin(_sound())}) as url:
        assert read_url(url, "shop").format == "Zipkin JSON"


def test_what_cannot_be_asked_is_one_clear_error() -> None:
    with server({"/other": b"<html>", "/empty": b'{"data": []}'}) as url:
        with pytest.raises(BadUsage, match="which service"):
            read_url(url)
        with pytest.raises(CannotLook, match="neither Jaeger nor Tempo nor Zipkin"):
            read_url(url, "shop")
        with pytest.raises(CannotLook, match="answers 404"):
            read_url(f"{url}/nothing")
        with pytest.raises(BadInput):
            read_url(f"{url}/other")
        with pytest.raises(BadInput, match="no usable span"):
            read_url(f"{url}/empty")
    with pytest.raises(CannotLook, match="does not answer"):
        read_url(url, "shop")
    with pytest.raises(BadUsage):
        read_url("http://127.0.0.1:port/x")
