"""AWS X-Ray segment documents: the answer of BatchGetTraces, or the documents themselves."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from unslow.collect.span_sink import UNREADABLE, SpanSink, scalar

Value = str | int | float | bool | None
DEEPEST = 100
"""Levels of subsegments; X-Ray itself takes 64 KB per document."""
NESTED = "nested too deeply"
IN_PROGRESS = "still in progress"


class Http(msgspec.Struct):
    request: dict[str, Value] | None = None
    response: dict[str, Value] | None = None


class Segment(msgspec.Struct):
    """A segment or a subsegment. Times are seconds, as decimals: a float would blur the microseconds."""

    id: str = ""
    name: str = ""
    trace_id: str = ""
    parent_id: str | None = None
    type: str = ""
    start_time: Decimal | None = None
    end_time: Decimal | None = None
    in_progress: bool = False
    namespace: str = ""
    error: bool = False
    fault: bool = False
    throttle: bool = False
    http: Http | None = None
    subsegments: list[msgspec.Raw] | None = None


class Held(msgspec.Struct, rename="pascal"):
    document: msgspec.Raw = msgspec.Raw(b"null")


class Trace(msgspec.Struct, rename="pascal"):
    id: str = ""
    segments: list[Held] = []


_decode_trace = msgspec.json.Decoder(Trace).decode
_decode_text = msgspec.json.Decoder(str).decode
_decode_segment = msgspec.json.Decoder(Segment, strict=False).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_traces(traces: Iterable[msgspec.Raw], sink: SpanSink) -> None:
    """Put the spans of each element of `Traces` into the sink; what cannot be read is counted."""
    for raw in traces:
        try:
            trace = _decode_trace(raw)
        except _UNREADABLE:
            sink.excluded[UNREADABLE] += 1
            continue
        for held in trace.segments:
            _read_document(bytes(held.document), trace.id, sink)


def read_documents(documents: Iterable[bytes], sink: SpanSink) -> None:
    """The same for bare segment documents."""
    for body in documents:
        _read_document(body, "", sink)


def _read_document(body: bytes, trace_id: str, sink: SpanSink) -> None:
    try:
        if body[:1] == b'"':  # the document is a text within the answer
            body = _decode_text(body).encode()
        segment = _decode_segment(body)
    except _UNREADABLE:
        sink.excluded[UNREADABLE] += 1
        return
    # A subsegment that was sent by itself does not say whose it is: its name is that of what it called.
    alone = segment.type == "subsegment"
    _add(segment, segment.parent_id, segment.trace_id or trace_id, segment.name, not alone, sink, 0)


def _add(
    one: Segment, parent_id: str | None, trace_id: str, service: str, entry: bool, sink: SpanSink, depth: int
) -> None:
    if one.in_progress and one.end_time is None:
        sink.excluded[IN_PROGRESS] += 1
    else:
        start = _nanoseconds(one.start_time)
        end = _nanoseconds(one.end_time)
        called = one.namespace in {"remote", "aws"}
        sink.add(
            trace_id,
            one.id,
            parent_id,
            service,
            one.name if not entry else _route(one) or one.name,
            "server" if entry else "client" if called else "internal",
            start,
            None if start is None or end is None else end - start,
            "error" if one.fault or one.error or one.throttle else "unset",
            _attributes(one),
        )
    for raw in one.subsegments or ():
        if depth == DEEPEST:
            sink.excluded[NESTED] += 1
            continue
        try:
            child = _decode_segment(raw)
        except _UNREADABLE:
            sink.excluded[UNREADABLE] += 1
            continue
        _add(child, one.id, trace_id, service, False, sink, depth + 1)


def _nanoseconds(seconds: Decimal | None) -> int | None:
    if seconds is None or not seconds.is_finite() or abs(seconds) > 10**11:
        return None
    return int(seconds * 10**9)


def _route(one: Segment) -> str:
    request = (one.http.request if one.http else None) or {}
    url, method = scalar(request.get("url")), scalar(request.get("method"))
    bare = url.partition("?")[0].partition("#")[0]
    path = "/" + bare.partition("://")[2].partition("/")[2] if "://" in bare else bare
    return f"{method} {path}".strip()


def _attributes(one: Segment) -> list[tuple[str, str]]:
    request = (one.http.request if one.http else None) or {}
    response = (one.http.response if one.http else None) or {}
    found = (
        ("http.request.method", scalar(request.get("method"))),
        ("http.url", scalar(request.get("url"))),
        ("http.response.status_code", scalar(response.get("status"))),
    )
    return [(key, value) for key, value in found if value]
