"""Jaeger JSON, as its UI and its API export it: `{"data": [{"traceID", "spans", "processes"}]}`."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from unslow.collect.span_sink import ATTRIBUTES, UNREADABLE, SpanSink, nanoseconds, scalar
from unslow.evidence.span import Status

Number = int | float | str | None


class Tag(msgspec.Struct, gc=False):
    key: str = ""
    value: str | int | float | bool | None = None


class Reference(msgspec.Struct, rename="camel", gc=False):
    ref_type: str = ""
    trace_id: str = msgspec.field(name="traceID", default="")
    span_id: str = msgspec.field(name="spanID", default="")


class JaegerSpan(msgspec.Struct, rename="camel", gc=False):
    trace_id: str = msgspec.field(name="traceID", default="")
    span_id: str = msgspec.field(name="spanID", default="")
    parent_span_id: str | None = msgspec.field(name="parentSpanID", default=None)
    operation_name: str = ""
    start_time: Number = None
    duration: Number = None
    process_id: str = msgspec.field(name="processID", default="")
    references: list[Reference] | None = None
    tags: list[Tag] | None = None


class Process(msgspec.Struct, rename="camel", gc=False):
    service_name: str = ""


class JaegerTrace(msgspec.Struct, rename="camel"):
    trace_id: str = msgspec.field(name="traceID", default="")
    spans: list[JaegerSpan] = []
    processes: dict[str, Process] | None = None


class LooseTrace(msgspec.Struct, rename="camel"):
    """The same with each span left unread, so that one bad span costs only itself."""

    trace_id: str = msgspec.field(name="traceID", default="")
    spans: list[msgspec.Raw] = []
    processes: dict[str, msgspec.Raw] | None = None


_decode_trace = msgspec.json.Decoder(JaegerTrace).decode
_decode_loose = msgspec.json.Decoder(LooseTrace).decode
_decode_span = msgspec.json.Decoder(JaegerSpan).decode
_decode_process = msgspec.json.Decoder(Process).decode


def read_traces(traces: Iterable[msgspec.Raw], sink: SpanSink) -> None:
    """Put the spans of all traces into the sink; what cannot be read is counted."""
    for raw in traces:
        try:
            trace = _decode_trace(raw)
        except msgspec.ValidationError:
            mended = _read_loosely(raw, sink)
            if mended is None:
                continue
            trace = mended
        services = {key: process.service_name for key, process in (trace.processes or {}).items()}
        for span in trace.spans:
            _add(span, trace.trace_id, services, sink)


def _read_loosely(raw: msgspec.Raw, sink: SpanSink) -> JaegerTrace | None:
    try:
        loose = _decode_loose(raw)
    except msgspec.ValidationError:
        sink.excluded[UNREADABLE] += 1
        return None
    spans: list[JaegerSpan] = []
    for one in loose.spans:
        try:
            spans.append(_decode_span(one))
        except msgspec.ValidationError:
            sink.excluded[UNREADABLE] += 1
    processes: dict[str, Process] = {}
    for key, process in (loose.processes or {}).items():
        try:
            processes[key] = _decode_process(process)
        except msgspec.ValidationError:
            processes[key] = Process()  # its spans stay, as of an unknown service
    return JaegerTrace(loose.trace_id, spans, processes)


def _add(span: JaegerSpan, trace_id: str, services: dict[str, str], sink: SpanSink) -> None:
    kind, status = "", "unset"
    attributes: list[tuple[str, str]] = []
    for tag in span.tags or ():
        if tag.key == "span.kind":
            kind = scalar(tag.value)
        elif tag.key in {"error", "otel.status_code"}:
            status = _status(tag, status)
        elif tag.key in ATTRIBUTES:
            attributes.append((tag.key, scalar(tag.value)))
    own_trace = span.trace_id or trace_id
    sink.add(
        own_trace,
        span.span_id,
        _parent(span, own_trace),
        services.get(span.process_id, ""),
        span.operation_name,
        kind,
        nanoseconds(span.start_time, 1000),
        nanoseconds(span.duration, 1000),
        "error" if status == "error" else "ok" if status == "ok" else "unset",
        attributes,
    )


def _status(tag: Tag, known: str) -> Status | str:
    value = scalar(tag.value).lower()
    if value in {"true", "error"}:
        return "error"
    return "ok" if value == "ok" and known != "error" else known


def _parent(span: JaegerSpan, trace_id: str) -> str | None:
    """A CHILD_OF reference of the same trace, else any other of it, else the old field."""
    here = [one for one in span.references or () if one.trace_id == trace_id and one.span_id]
    for one in here:
        if one.ref_type == "CHILD_OF":
            return one.span_id
    return here[0].span_id if here else span.parent_span_id
