"""OTLP trace payloads, JSON and protobuf: what exporters send and the collector's file exporter writes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

import msgspec

from unslow.collect.span_sink import ATTRIBUTES, UNREADABLE, SpanSink, nanoseconds, scalar
from unslow.errors import BadInput
from unslow.evidence.span import Status

Number = int | float | str | None

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUS: tuple[Status, ...] = ("unset", "ok", "error")


class AnyValue(msgspec.Struct, rename="camel", gc=False):
    string_value: str | None = None
    int_value: Number = None
    double_value: Number = None
    bool_value: bool | None = None


class KeyValue(msgspec.Struct, gc=False):
    key: str = ""
    value: AnyValue | None = None


class SpanStatus(msgspec.Struct, gc=False):
    code: int | str | None = None


class OtlpSpan(msgspec.Struct, rename="camel", gc=False):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = None
    name: str = ""
    kind: int | str | None = None
    start_time_unix_nano: Number = None
    end_time_unix_nano: Number = None
    attributes: list[KeyValue] | None = None
    status: SpanStatus | None = None


class Scope(msgspec.Struct, rename="camel"):
    spans: list[msgspec.Raw] | None = None


class Resource(msgspec.Struct, rename="camel"):
    attributes: list[KeyValue] | None = None


class ResourceSpans(msgspec.Struct, rename="camel"):
    resource: Resource | None = None
    scope_spans: list[Scope] | None = None
    instrumentation_library_spans: list[Scope] | None = None
    """The name before OTLP 0.15."""


_decode_resource_spans = msgspec.json.Decoder(ResourceSpans).decode
_decode_span = msgspec.json.Decoder(OtlpSpan).decode


def read_resource_spans(batches: Iterable[msgspec.Raw], sink: SpanSink) -> None:
    """Put the spans of each element of `resourceSpans` into the sink; what cannot be read is counted."""
    for raw in batches:
        try:
            batch = _decode_resource_spans(raw)
        except msgspec.ValidationError:
            sink.excluded[UNREADABLE] += 1
            continue
        shared = dict(_attributes(batch.resource.attributes if batch.resource else None))
        service = shared.pop("service.name", "")
        for scope in (batch.scope_spans or []) + (batch.instrumentation_library_spans or []):
            for one in scope.spans or ():
                try:
                    span = _decode_span(one)
                except msgspec.ValidationError:
                    sink.excluded[UNREADABLE] += 1
                    continue
                _add(span, service, shared, sink)


def _add(span: OtlpSpan, service: str, shared: dict[str, str], sink: SpanSink) -> None:
    start, end = nanoseconds(span.start_time_unix_nano), nanoseconds(span.end_time_unix_nano)
    sink.add(
        _hex(span.trace_id),
        _hex(span.span_id),
        _hex(span.parent_span_id or "") or None,
        service,
        span.name,
        _named(span.kind, _KINDS, "SPAN_KIND_"),
        start,
        None if start is None or end is None else end - start,
        _status(span.status),
        {**shared, **dict(_attributes(span.attributes))}.items(),
    )


def _attributes(pairs: Iterable[KeyValue] | None) -> Iterable[tuple[str, str]]:
    for pair in pairs or ():
        if pair.value is not None and (pair.key in ATTRIBUTES or pair.key == "service.name"):
            value = pair.value
            known = (value.string_value, value.int_value, value.double_value, value.bool_value)
            yield pair.key, scalar(next((one for one in known if one is not None), None))


def _named(code: int | str | None, names: tuple[str, ...], prefix: str) -> str:
    if isinstance(code, int):
        return names[code] if 0 <= code < len(names) else names[0]
    return (code or "").removeprefix(prefix).lower()


def _status(status: SpanStatus | None) -> Status:
    name = _named(status.code if status else None, _STATUS, "STATUS_CODE_")
    return "error" if name == "error" else "ok" if name == "ok" else "unset"


def _hex(identity: str) -> str:
    """Lower-case hex; plain protobuf-to-JSON converters write base64, and zeros for "no parent"."""
    if len(identity) in {12, 24} and identity.endswith("="):
        try:
            identity = base64.b64decode(identity, validate=True).hex()
        except (ValueError, binascii.Error):
            return identity
    return "" if not identity.strip("0") else identity.lower()


def read_protobuf(body: bytes, sink: SpanSink) -> None:
    """One ExportTraceServiceRequest (or TracesData, which has the same form); BadInput when it is none."""
    # Imported here: only who reads protobuf pays for it.
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise BadInput("this is no OTLP protobuf of traces", "save traces as OTLP, Jaeger or Zipkin JSON") from error
    for batch in request.resource_spans:
        shared = {pair.key: _proto_value(pair.value) for pair in batch.resource.attributes}
        service = shared.pop("service.name", "")
        for scope in batch.scope_spans:
            for span in scope.spans:
                attributes = {pair.key: _proto_value(pair.value) for pair in span.attributes}
                sink.add(
                    _hex(span.trace_id.hex()),
                    _hex(span.span_id.hex()),
                    _hex(span.parent_span_id.hex()) or None,
                    service,
                    span.name,
                    _named(span.kind, _KINDS, ""),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano - span.start_time_unix_nano,
                    _STATUS[span.status.code] if 0 <= span.status.code < len(_STATUS) else "unset",
                    {**shared, **attributes}.items(),
                )


def _proto_value(value: object) -> str:
    field = value.WhichOneof("value")  # type: ignore[attr-defined]  # generated class without stubs
    if field in {"string_value", "int_value", "double_value", "bool_value"}:
        return scalar(getattr(value, field))
    return ""
