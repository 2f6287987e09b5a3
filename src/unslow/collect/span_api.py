"""Traces over HTTP: Jaeger's, Tempo's and Zipkin's query APIs, or any URL that answers with one of the file formats."""

from __future__ import annotations

import base64
import http.client
import urllib.parse
from collections.abc import Mapping

import msgspec

from unslow.collect import tempo
from unslow.collect.span_sink import MAX_SPANS, SpanSink
from unslow.collect.spans import MAX_BYTES, SpanFile, gunzip, read_into
from unslow.errors import BadInput, BadUsage, CannotLook

TIMEOUT_S = 30.0
LIMIT = 200
"""Traces asked for, where the URL itself does not say how many."""
_REMEDY = "give the address of Jaeger, Tempo or Zipkin, or a URL that answers with traces"


class Server:
    """One host over plain GETs. Redirects are not followed: they would carry credentials elsewhere."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> None:
        try:
            self.parts = urllib.parse.urlsplit(url)
            self._port = self.parts.port
        except ValueError as error:
            raise BadUsage(f"{url!r} is no URL", _REMEDY) from error
        if self.parts.scheme not in {"http", "https"} or not self.parts.hostname:
            raise BadUsage(f"{url!r} is no URL", _REMEDY)
        self._host = self.parts.hostname
        self._timeout_s = timeout_s
        self._headers = {"Accept": "application/json", "User-Agent": "unslow"}
        if self.parts.username is not None:
            secret = urllib.parse.unquote(self.parts.username) + ":" + urllib.parse.unquote(self.parts.password or "")
            self._headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
        self._headers.update(headers or {})
        port = f":{self._port}" if self._port else ""
        self.name = f"{self.parts.scheme}://{self._host}{port}"
        """The address without credentials, for messages."""

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body. CannotLook when nobody answers."""
        kind = http.client.HTTPSConnection if self.parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=self._timeout_s)
        try:
            connection.request("GET", path, headers=self._headers)
            answer = connection.getresponse()
            body = answer.read(MAX_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise CannotLook(f"{self.name} does not answer: {error}", "check the address") from error
        finally:
            connection.close()
        if len(body) > MAX_BYTES:
            raise CannotLook(f"{self.name} answers more than {MAX_BYTES >> 20} MiB", "ask for fewer traces")
        return answer.status, gunzip(body, MAX_BYTES) if body[:2] == b"\x1f\x8b" else body

    def answer(self, path: str) -> bytes:
        """The body of a 200. CannotLook for any other."""
        status, body = self.get(path)
        if status != 200:
            raise CannotLook(f"{self.name}{path.partition('?')[0]} answers {status}", _REMEDY)
        return body


def read_url(
    url: str, service: str | None = None, *, headers: Mapping[str, str] | None = None, max_spans: int = MAX_SPANS
) -> SpanFile:
    """The traces that a URL answers with; a bare address is asked for those of the service.

    BadInput when the answer is no trace, BadUsage when a bare address comes without a service, CannotLook.
    """
    server = Server(url, headers)
    path = server.parts.path + (f"?{server.parts.query}" if server.parts.query else "")
    if server.parts.path in {"", "/"}:
        path = _query(server, service)
    body = server.answer(path)
    sink = SpanSink(max_spans)
    found = tempo.search_results(body)
    if found is None:
        form = read_into(body, server.name, sink)
    else:
        form = "Tempo"
        for trace_id in found:
            read_into(server.answer(tempo.trace_path(path, trace_id)), server.name, sink)
    if not sink.spans:
        raise BadInput(f"{server.name} holds no usable span", "ask for a longer time, or another service")
    return SpanFile(spans=tuple(sink.spans), excluded=tuple(sorted(sink.excluded.items())), format=form)


def _query(server: Server, service: str | None) -> str:
    """The path that asks this server for traces of the service."""
    if service is None:
        raise BadUsage(f"{server.name} needs to know which service's traces", "add --service NAME")
    name = urllib.parse.quote(service, safe="")
    status, body = server.get("/api/services")
    if status == 200 and _is_object(body):
        return f"/api/traces?service={name}&limit={LIMIT}"
    status, body = server.get("/api/echo")
    if status == 200 and body.strip() == b"echo":
        return tempo.search_path(service, LIMIT)
    status, body = server.get("/api/v2/services")
    if status == 200 and body.lstrip()[:1] == b"[":
        return f"/api/v2/traces?serviceName={name}&limit={LIMIT}"
    raise CannotLook(f"{server.name} is neither Jaeger nor Tempo nor Zipkin", _REMEDY)


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(body), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
