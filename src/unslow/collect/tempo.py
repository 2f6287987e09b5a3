"""Tempo's API: a search names traces, each of which is then asked for by its id and comes as OTLP."""

from __future__ import annotations

import urllib.parse

import msgspec


class Found(msgspec.Struct):
    trace_id: str = msgspec.field(name="traceID", default="")


class Search(msgspec.Struct):
    traces: list[Found]


_decode = msgspec.json.Decoder(Search).decode


def search_results(body: bytes) -> list[str] | None:
    """Trace ids, if this is the answer of a search."""
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return [one.trace_id for one in found.traces if one.trace_id.isalnum()]


def search_path(service: str, limit: int) -> str:
    """Search for traces in which the service took part."""
    text = service.replace("\\", "\\\\").replace('"', '\\"')
    query = f'{{ resource.service.name = "{text}" }}'
    return "/api/search?" + urllib.parse.urlencode({"q": query, "limit": limit})


def trace_path(search: str, trace_id: str) -> str:
    """Where a trace is, on the server whose search had this path (it may lie below a prefix)."""
    prefix = search.partition("/api/search")[0]
    return f"{prefix}/api/traces/{trace_id}"
