"""Span files -> canonical spans: OTLP (JSON, JSON lines, protobuf), Jaeger, Zipkin and X-Ray JSON, gzip too."""

from __future__ import annotations

import zlib
from pathlib import Path

import msgspec

from unslow.collect import jaeger, otlp_payload, xray, zipkin
from unslow.collect.span_sink import MAX_SPANS, UNREADABLE, SpanSink
from unslow.errors import BadInput
from unslow.evidence.span import Span

MAX_BYTES = 256 * 2**20
"""After decompression: text and records together stay below a gigabyte at worst."""
_REMEDY = "give a file of OTLP (JSON, one JSON per line, or protobuf), Jaeger, Zipkin or X-Ray JSON"
_BROKEN = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class SpanFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a file held; pass `excluded` on to `span_table.summarise`."""

    spans: tuple[Span, ...]
    excluded: tuple[tuple[str, int], ...]
    format: str


class Document(msgspec.Struct, rename="camel"):
    """The outermost object of every JSON format that is one."""

    data: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET
    """Jaeger."""
    resource_spans: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET
    """OTLP."""
    batches: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET
    """OTLP under the name that Tempo gave it."""
    spans: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET
    """A single Jaeger trace."""
    trace: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    """Around OTLP, in the second version of Tempo's API."""
    id: str | msgspec.UnsetType | None = msgspec.UNSET
    """A single Zipkin span, one per line, or an X-Ray segment, which has the next field too."""
    trace_id: str | msgspec.UnsetType | None = msgspec.field(name="trace_id", default=msgspec.UNSET)
    traces: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.field(name="Traces", default=msgspec.UNSET)
    """X-Ray's BatchGetTraces."""


_decode_document = msgspec.json.Decoder(Document).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read_spans(path: Path, *, max_bytes: int = MAX_BYTES, max_spans: int = MAX_SPANS) -> SpanFile:
    """All readable spans of the file. BadInput when it is missing, too large, damaged or of no known form."""
    return read_body(_content(path, max_bytes), str(path), max_spans=max_spans)


def read_body(body: bytes, name: str, *, max_spans: int = MAX_SPANS) -> SpanFile:
    """The same of what is already in memory; `name` is what messages call it."""
    sink = SpanSink(max_spans)
    form = read_into(body, name, sink)
    if not sink.spans:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in sorted(sink.excluded.items()))
        raise BadInput(f"{name} holds no usable span" + (f" ({reasons})" if reasons else ""), _REMEDY)
    return SpanFile(spans=tuple(sink.spans), excluded=tuple(sorted(sink.excluded.items())), format=form)


def read_into(body: bytes, name: str, sink: SpanSink) -> str:
    """Add the spans of a body to the sink; the name of its format."""
    try:
        return _read(body, sink)
    except _BROKEN as error:
        raise BadInput(f"{name} is damaged: {_first_line(error)}", _REMEDY) from error
    except BadInput as error:
        raise BadInput(f"{name}: {error.message}", error.remedy or _REMEDY) from error


def _read(body: bytes, sink: SpanSink) -> str:
    start = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    # Protobuf begins with a line feed (field 1), and its next byte may well be a bracket.
    if body[:1] == b"\n" or start not in {b"[", b"{"}:
        try:
            otlp_payload.read_protobuf(body, sink)
        except BadInput:
            if start not in {b"[", b"{"}:
                raise
        else:
            return "OTLP protobuf"
    return _read_list(body, sink) if start == b"[" else _read_objects(body, sink)


def _content(path: Path, max_bytes: int) -> bytes:
    try:
        if not path.is_file():
            raise BadInput(f"{path} is no file", _REMEDY)
        with path.open("rb") as file:
            body = file.read(max_bytes + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", _REMEDY) from error
    if body[:2] == b"\x1f\x8b":
        body = gunzip(body, max_bytes)
    if len(body) > max_bytes:
        raise BadInput(f"{path} is larger than {max_bytes >> 20} MiB", "export fewer traces or a shorter time")
    return body


def gunzip(body: bytes, max_bytes: int) -> bytes:
    """All members of a gzip stream, at most `max_bytes + 1` bytes of them; BadInput when damaged."""
    parts: list[bytes] = []
    room = max_bytes + 1
    while body and room > 0:
        inflate = zlib.decompressobj(wbits=31)
        try:
            part = inflate.decompress(body, room)
        except zlib.error as error:
            raise BadInput("the gzip stream is damaged", _REMEDY) from error
        parts.append(part)
        room -= len(part)
        if not inflate.eof and room > 0:
            raise BadInput("the gzip stream ends too early", _REMEDY)
        body = inflate.unused_data
    return b"".join(parts)


def _read_list(body: bytes, sink: SpanSink) -> str:
    elements = _decode_list(_without_bom(body))
    first = elements[0] if elements else msgspec.Raw(b"")
    if bytes(first)[:1] == b"{" and _is_trace(first):
        jaeger.read_traces(elements, sink)
        return "Jaeger JSON"
    zipkin.read_spans(elements, sink)
    return "Zipkin JSON"


def _is_trace(raw: msgspec.Raw) -> bool:
    try:
        return isinstance(_decode_document(raw).spans, list)
    except msgspec.ValidationError:
        return False


def _read_objects(body: bytes, sink: SpanSink) -> str:
    body = _without_bom(body)
    try:
        return _read_document(body, sink)
    except msgspec.DecodeError:
        lines = body.splitlines()
        if len(lines) < 2 or not _is_document(lines[0]):
            raise
    return _read_lines(lines, sink)


def _is_document(line: bytes) -> bool:
    try:
        _decode_document(line)
    except msgspec.DecodeError:
        return False
    return True


def _read_lines(lines: list[bytes], sink: SpanSink) -> str:
    """One document a line; a damaged line (the last one of a file still being written) costs only itself."""
    forms: set[str] = set()
    loose: list[msgspec.Raw] = []
    segments: list[bytes] = []
    for line in lines:
        if not line.strip():
            continue
        try:
            document = _decode_document(line)
            if isinstance(document.trace_id, str):
                segments.append(line)
            elif isinstance(document.id, str):
                loose.append(msgspec.Raw(line))
            else:
                forms.add(_read_document(line, sink))
        except (*_BROKEN, BadInput):
            sink.excluded[UNREADABLE] += 1
    if loose:
        zipkin.read_spans(loose, sink)
        forms.add("Zipkin JSON")
    if segments:
        xray.read_documents(segments, sink)
        forms.add("X-Ray segments")
    return " and ".join(sorted(forms)) + ", one per line"


def _read_document(body: bytes, sink: SpanSink) -> str:
    document = _decode_document(body)
    for batches in (document.resource_spans, document.batches):
        if isinstance(batches, list):
            otlp_payload.read_resource_spans(batches, sink)
            return "OTLP JSON"
    if isinstance(document.data, list):
        jaeger.read_traces(document.data, sink)
        return "Jaeger JSON"
    if isinstance(document.spans, list):
        jaeger.read_traces([msgspec.Raw(body)], sink)
        return "Jaeger JSON"
    if isinstance(document.traces, list):
        xray.read_traces(document.traces, sink)
        return "X-Ray traces"
    if isinstance(document.trace, msgspec.Raw):
        return _read_document(bytes(document.trace), sink)
    if isinstance(document.trace_id, str):
        xray.read_documents([body], sink)
        return "X-Ray segments"
    if isinstance(document.id, str):
        zipkin.read_spans([msgspec.Raw(body)], sink)
        return "Zipkin JSON"
    raise BadInput("JSON, but none of the known trace formats", _REMEDY)


def _without_bom(body: bytes) -> bytes:
    return body.removeprefix(b"\xef\xbb\xbf")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
