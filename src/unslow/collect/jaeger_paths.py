"""Critical-path totals of Jaeger JSON: what is whole is summed up as it is decoded, trace by trace.

A trace with damage of any kind (or with messages, whose consumers nobody waits for) goes the long way,
over spans and trees, so that both ways give the same answer and damage is counted as everywhere.
"""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from unslow.collect.span_limits import EARLIEST_NS, LATEST_NS, LONGEST_NS, safe_text
from unslow.measure.path_totals import Counts, PathTotals, add_path

if TYPE_CHECKING:
    from unslow.evidence.span import Span

# The readers of all formats are imported when something must go the long way: most files are whole,
# and their import takes as long as 10,000 spans.
NS_PER_US = 1000
MAX_BYTES = 256 * 2**20
CHUNK = 2**20
HEAD = b'{"data":['
TRACE_BEGINS, SPANS_BEGIN = b'{"traceID":"', b'","spans":['
LONGEST_BORDER = 200
"""Of the text between the two."""
CONSUMER = b'"consumer"'
ServiceTimes = defaultdict[str, defaultdict[str, int]]
"""Microseconds by service and operation."""
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Reference(msgspec.Struct, gc=False):
    span_id: Text = msgspec.field(name="spanID")


class WholeSpan(msgspec.Struct, rename="camel", gc=False, kw_only=True):
    """Only what the path needs, and only if it is in order: the decoder refuses anything else."""

    # In the order in which Jaeger writes them: the decoder then finds each field at once.
    span_id: Text = msgspec.field(name="spanID")
    operation_name: str
    references: Annotated[list[Reference], msgspec.Meta(max_length=1)] | None = None
    start_time: Annotated[int, msgspec.Meta(ge=EARLIEST_NS // NS_PER_US, lt=LATEST_NS // NS_PER_US)]
    duration: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_NS // NS_PER_US)]
    process_id: str = msgspec.field(name="processID")
    parent_span_id: None = msgspec.field(name="parentSpanID", default=None)


class Process(msgspec.Struct, rename="camel", gc=False):
    service_name: str


class WholeTrace(msgspec.Struct, rename="camel", gc=False):
    trace_id: Text = msgspec.field(name="traceID")
    spans: list[WholeSpan]
    processes: dict[str, Process]


class Whole(msgspec.Struct, gc=False):
    data: list[WholeTrace]


class Loose(msgspec.Struct, gc=False):
    data: list[msgspec.Raw]


_decode_whole = msgspec.json.Decoder(Whole).decode
_decode_loose = msgspec.json.Decoder(Loose).decode
_decode_trace = msgspec.json.Decoder(WholeTrace).decode
_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def path_totals(path: Path) -> PathTotals:
    """Own time on the critical path by (service, operation), of all traces of the file.

    Plain Jaeger JSON takes the short way at any length, whatever else `read_spans` knows the long one.
    Clocks count as reported. BadInput when the file is missing, damaged or of no known form.
    """
    # Records are freed as soon as they are counted; looking for cycles among them finds nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        found = _summed(path)
    except (OSError, *_REFUSALS):
        found = None
    finally:
        if collecting:
            gc.enable()
    if found is not None:
        return found
    from unslow.collect.spans import read_spans

    file = read_spans(path)  # says what is wrong with it, if something is
    return _by_trees(file.spans, file.excluded)


def _summed(path: Path) -> PathTotals | None:
    """None: parts of one trace are apart in the file; they are a whole only together."""
    times: ServiceTimes = defaultdict(lambda: defaultdict(int))
    spans = 0
    seen: set[str] = set()
    others: list[msgspec.Raw] = []
    with path.open("rb", buffering=0) as file:
        for document in _documents(file):
            raws: list[msgspec.Raw] = []
            for number, trace in enumerate(_whole_traces(document)):
                if trace is not None and trace.trace_id in seen:
                    return None
                if trace is not None and _add_whole(trace, times):
                    seen.add(trace.trace_id)
                    spans += len(trace.spans)
                else:
                    raws = raws or _decode_loose(document).data
                    others.append(raws[number].copy())
    if others:
        return _with_others(others, seen, spans, times)
    return PathTotals(traces=len(seen), spans=spans, own_ns=_named(times)) if seen else None


def _documents(file: FileIO) -> Iterator[bytearray]:
    """The file as several shorter ones of the same form, so that memory does not grow with its length.

    It is cut where one trace ends and the next begins. In an unusual order or with other spacing there
    is no such place, and it stays one document; whatever is no JSON is refused by whoever decodes it.
    """
    waiting = bytearray()
    while chunk := file.read(CHUNK):
        searched = max(0, len(waiting) - LONGEST_BORDER)
        waiting += chunk
        within = waiting.rfind(SPANS_BEGIN, searched)
        begin = waiting.rfind(TRACE_BEGINS, max(0, within - LONGEST_BORDER), within) if within > 0 else -1
        comma = waiting.rfind(b"},", 0, begin) + 1 if begin > 0 else 0
        if comma > 0 and not waiting[comma + 1 : begin].strip():
            document = waiting[:comma]
            document += b"]}"
            yield document
            waiting[:begin] = HEAD
        if len(waiting) > MAX_BYTES:
            raise OSError("too much to hold in memory")
    if waiting:
        yield waiting


def _whole_traces(document: bytearray) -> Sequence[WholeTrace | None]:
    """None in the place of one that must go the long way."""
    if CONSUMER not in document:
        with suppress(*_REFUSALS):
            return _decode_whole(document).data
    return [_whole(raw) for raw in _decode_loose(document).data]


def _whole(raw: msgspec.Raw) -> WholeTrace | None:
    try:
        return None if CONSUMER in bytes(raw) else _decode_trace(raw)
    except _REFUSALS:
        return None


def _with_others(others: Sequence[msgspec.Raw], seen: Set[str], spans: int, times: ServiceTimes) -> PathTotals | None:
    from unslow.collect.jaeger import read_traces
    from unslow.collect.span_sink import SpanSink

    sink = SpanSink()
    read_traces(others, sink)
    if any(span.trace_id in seen for span in sink.spans):
        return None
    rest = _by_trees(sink.spans, tuple(sink.excluded.items()))
    own_ns = Counter(rest.own_ns)
    own_ns.update(_named(times))
    return msgspec.structs.replace(rest, traces=len(seen) + rest.traces, spans=spans + rest.spans, own_ns=dict(own_ns))


def _named(times: ServiceTimes) -> dict[tuple[str, str], int]:
    """Nanoseconds by (service, operation), named as spans would be."""
    own_ns: Counter[tuple[str, str]] = Counter()
    for service, operations in times.items():
        for operation, own_us in operations.items():
            own_ns[safe_text(service) or "unknown", safe_text(operation) or "unnamed"] += own_us * NS_PER_US
    return dict(own_ns)


def _by_trees(spans: Iterable[Span], excluded: Counts) -> PathTotals:
    from unslow.measure.tree_totals import tree_totals

    totals = tree_totals(spans)
    counts = Counter(dict(totals.excluded))
    counts.update(dict(excluded))
    return msgspec.structs.replace(totals, excluded=tuple(sorted(counts.items())))


def _add_whole(trace: WholeTrace, times: ServiceTimes) -> bool:
    """Add the path of the trace unless something is wrong with it: then nothing is added."""
    spans = trace.spans
    ids: set[str] = set()
    first: dict[str, WholeSpan] = {}  # most parents have one child: no list is made for them
    further: dict[str, list[WholeSpan]] = {}
    root = None
    parents_first = True
    add = ids.add
    for span in spans:
        references = span.references
        if not references:
            if root is not None:
                return False
            root = span
        else:
            parent = references[0].span_id
            if parent in first:
                further.setdefault(parent, []).append(span)
            else:
                first[parent] = span
                if parent not in ids:
                    parents_first = False
        add(span.span_id)
    # Where each parent is there before its children, there is neither an orphan nor a cycle.
    if root is None or len(ids) < len(spans) or not (parents_first or _reached(root, first, further) == len(spans)):
        return False
    nameless = times[""]  # of a process that the trace does not name
    by_process: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: nameless)
    for key, process in trace.processes.items():
        by_process[key] = times[process.service_name]
    add_path(root, first, further, by_process)
    return True


def _reached(root: WholeSpan, first: Mapping[str, WholeSpan], further: Mapping[str, Sequence[WholeSpan]]) -> int:
    found = [root]
    for span in found:  # grows while it is walked
        child = first.get(span.span_id)
        if child is not None:
            found.append(child)
            found += further.get(span.span_id, ())
    return len(found)
