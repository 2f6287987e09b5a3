"""Zipkin v2 JSON: a list of spans, or a list of such lists (one per trace)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from unslow.collect.span_sink import UNREADABLE, SpanSink, nanoseconds, scalar

Number = int | float | str | None


class Endpoint(msgspec.Struct, rename="camel", gc=False):
    service_name: str | None = None


class ZipkinSpan(msgspec.Struct, rename="camel", gc=False):
    trace_id: str = ""
    id: str = ""
    parent_id: str | None = None
    kind: str | None = None
    name: str | None = None
    timestamp: Number = None
    duration: Number = None
    local_endpoint: Endpoint | None = None
    tags: dict[str, str | int | float | bool | None] | None = None
    shared: bool | None = None

    @property
    def service(self) -> str:
        return (self.local_endpoint.service_name if self.local_endpoint else None) or ""


_decode_span = msgspec.json.Decoder(ZipkinSpan).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read_spans(raws: Iterable[msgspec.Raw], sink: SpanSink) -> None:
    """Put all spans into the sink; what cannot be read is counted."""
    spans: list[ZipkinSpan] = []
    for raw in raws:
        for one in _spans_of(raw):
            try:
                spans.append(_decode_span(one))
            except msgspec.ValidationError:
                sink.excluded[UNREADABLE] += 1
    servers = _shared_servers(spans)
    for span in spans:
        _add(span, servers, sink)


def _spans_of(raw: msgspec.Raw) -> list[msgspec.Raw]:
    return _decode_list(raw) if bytes(raw)[:1] == b"[" else [raw]


def _shared_servers(spans: Iterable[ZipkinSpan]) -> dict[tuple[str, str], str]:
    """(trace, id) -> service of the server half, where client and server share one id."""
    both = list(spans)
    clients = {(span.trace_id, span.id) for span in both if not _is_shared_server(span)}
    return {
        (span.trace_id, span.id): span.service
        for span in both
        if _is_shared_server(span) and (span.trace_id, span.id) in clients
    }


def _is_shared_server(span: ZipkinSpan) -> bool:
    return bool(span.shared) and span.kind == "SERVER"


def _add(span: ZipkinSpan, servers: dict[tuple[str, str], str], sink: SpanSink) -> None:
    span_id, parent_id = span.id, span.parent_id
    if _is_shared_server(span) and (span.trace_id, span.id) in servers:
        # The half with the same id becomes a child of its client, and takes the server's own children.
        span_id, parent_id = f"{span.id}-server", span.id
    elif parent_id and servers.get((span.trace_id, parent_id)) == span.service:
        parent_id = f"{parent_id}-server"
    tags = span.tags or {}
    sink.add(
        span.trace_id,
        span_id,
        parent_id,
        span.service,
        span.name or "",
        span.kind or "",
        nanoseconds(span.timestamp, 1000),
        nanoseconds(span.duration, 1000),
        "error" if "error" in tags else "unset",
        ((key, scalar(value)) for key, value in tags.items()),
    )
