"""Critical-path totals of Jaeger JSON: what is whole is summed up as it is decoded, trace by trace.

A trace with damage of any kind (or with messages, whose consumers nobody waits for) goes the long way,
over spans and trees, so that both ways give the same answer and damage is counted as everywhere.
"""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec

from unslow.collect.span_limits import EARLIEST_NS, LATEST_NS, LONGEST_NS, safe_text
from unslow.measure.path_totals import Counts, PathTotals, add_path

if TYPE_CHECKING:
    from unslow.evidence.span import Span

# The readers of all formats are imported when something must go the long way: most files are whole,
# and their import takes as long as 10,000 spans.
NS_PER_US = 1000
MAX_BYTES = 256 * 2**20
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


class Traces(NamedTuple):
    raw: list[msgspec.Raw]
    messages: bool
    """Whether any of them may have a consumer."""


class Document(msgspec.Struct, gc=False):
    data: list[msgspec.Raw]


_decode_document = msgspec.json.Decoder(Document).decode
_decode_trace = msgspec.json.Decoder(WholeTrace).decode
_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def path_totals(path: Path) -> PathTotals:
    """Own time on the critical path by (service, operation), of all traces of the file.

    Plain Jaeger JSON takes the short way, whatever else `read_spans` knows the long one. Clocks count as
    reported. BadInput when the file is missing, damaged, too large (256 MiB) or of no known form.
    """
    traces = _jaeger_traces(path)
    if traces is None:
        from unslow.collect.spans import read_spans

        file = read_spans(path)
        return _by_trees(file.spans, file.excluded)
    # Records are freed as soon as they are counted; looking for cycles among them finds nothing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _summed(traces)
    finally:
        if collecting:
            gc.enable()


def _jaeger_traces(path: Path) -> Traces | None:
    """None: not readable as that, for whatever reason. Those who read all formats will say which."""
    try:
        with path.open("rb") as file:
            body = file.read(MAX_BYTES + 1)
        traces = _decode_document(body).data
    except (OSError, *_REFUSALS):
        return None
    if not traces or len(body) > MAX_BYTES:
        return None
    return Traces(traces, CONSUMER in body)


def _summed(traces: Traces) -> PathTotals:
    times: ServiceTimes = defaultdict(lambda: defaultdict(int))
    spans = 0
    seen: set[str] = set()
    others: list[msgspec.Raw] = []
    for raw in traces.raw:
        try:
            trace = _decode_trace(raw)
        except _REFUSALS:
            others.append(raw)
            continue
        messages = traces.messages and CONSUMER in bytes(raw)
        if trace.trace_id not in seen and not messages and _add_whole(trace, times):
            seen.add(trace.trace_id)
            spans += len(trace.spans)
        else:
            others.append(raw)
    if others:
        return _with_others(traces, others, seen, spans, times)
    return PathTotals(traces=len(seen), spans=spans, own_ns=_named(times))


def _with_others(
    traces: Traces, others: Sequence[msgspec.Raw], seen: Set[str], spans: int, times: ServiceTimes
) -> PathTotals:
    from unslow.collect.jaeger import read_traces
    from unslow.collect.span_sink import SpanSink

    sink = SpanSink()
    read_traces(others, sink)
    if any(span.trace_id in seen for span in sink.spans):  # parts of one trace are a whole only together
        sink = SpanSink()
        read_traces(traces.raw, sink)
        return _by_trees(sink.spans, tuple(sink.excluded.items()))
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
