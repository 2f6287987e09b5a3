"""The latency account: where the milliseconds of a mean request went, and what is left over.

The total is what a caller sees. It is split top down, and each part has one source:

1. connecting (DNS, TCP, TLS): timed by the caller;
2. queue: requests that nobody reads yet, by Little's law from kernel readings (`queue.py`);
3. in the application: the application's own timer, else what is left of the total;
   split by wall-clock stacks (`in_app.py`): share of in-request samples x mean time in the application.

Whatever these do not cover is `unexplained`, with its sign. It is never clipped or rescaled away.
"""

from __future__ import annotations

from math import hypot

import msgspec

from unslow.evidence import Evidence
from unslow.measure.answers import answered, failures, unanswered
from unslow.measure.cluster_parts import cluster_parts
from unslow.measure.downstream_spans import outside_s, tells_calls
from unslow.measure.in_app import in_app_parts
from unslow.measure.onset import onset_s
from unslow.measure.part import Part
from unslow.measure.quantities import Z95, Estimate, estimate
from unslow.measure.queue import queue_part
from unslow.measure.rate import request_rate_per_s
from unslow.measure.routes import route_timer
from unslow.measure.stacks import busy_share_of_route
from unslow.measure.without_stacks import hides_waiting

SMALLEST_LINE_S = 0.0005
"""Parts below half a millisecond are pooled: no decision rests on them."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One (service, place, kind) with its time per request before and now, in seconds."""

    service: str
    place: str
    kind: str
    before_s: float = 0.0
    now_s: float
    se_s: float
    """Standard error of the excess."""
    evidence: tuple[str, ...] = ()
    detail: str = ""
    """Machine-readable subject of the line, such as a query id or a peer's address."""

    @property
    def id(self) -> str:
        return f"{self.kind}: {self.place}"

    @property
    def excess_s(self) -> float:
        return self.now_s - self.before_s


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Before, now, and lines whose excess plus `unexplained_s` is exactly the excess."""

    before: Estimate | None
    """None: there is no reference, the account explains the total."""
    now: Estimate
    lines: tuple[Line, ...]
    in_app: Estimate
    """Mean time inside the application."""
    in_app_source: str
    rate_per_s: float | None
    """Requests a second of all callers and routes."""
    cross_check_s: float | None = None
    """Time in the application by Little's law (busy threads / rate), all routes."""
    split_before: bool = False
    """Whether the time before is known line by line, not only as a total."""
    notes: tuple[str, ...] = ()

    @property
    def has_reference(self) -> bool:
        """Whether a line's excess is growth; else it is all that the line takes now."""
        return self.split_before

    @property
    def before_s(self) -> float:
        return self.before.mean_s if self.before else 0.0

    @property
    def excess_s(self) -> float:
        return self.now.mean_s - self.before_s

    @property
    def excess_se_s(self) -> float:
        return hypot(self.now.se_s, self.before.se_s if self.before else 0.0)

    @property
    def unexplained_s(self) -> float:
        return self.excess_s - sum(line.excess_s for line in self.lines)

    def of_kind(self, *kinds: str) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.kind in kinds)

    def excess_of(self, *kinds: str) -> float:
        """Seconds."""
        return sum(line.excess_s for line in self.of_kind(*kinds))


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """The split of one window, without a reference."""

    total: Estimate
    parts: tuple[Part, ...]
    in_app: Estimate
    in_app_source: str
    rate_per_s: float | None
    cross_check_s: float | None
    notes: tuple[str, ...]


def account(evidence: Evidence) -> Account | None:
    """The account of the window against its reference; None when no response time was measured at all."""
    reference = evidence.reference
    one_sided = reference is not None and tells_calls(evidence.spans) != tells_calls(reference.spans)
    if one_sided:  # lines can only be compared where both windows have them
        evidence = _without_spans(evidence)
        reference = _without_spans(reference) if reference else None
    now = level(evidence)
    if now is None:
        return None
    baseline = level(reference) if reference else None
    earlier = None if baseline else _before_onset(evidence)
    lines = _merge(evidence.target.service, now, baseline)
    notes = now.notes
    if earlier:
        lines = (*lines, _unsplit(evidence.target.service, earlier))
        notes = (*notes, "the time before the onset is known as a total only: it stands as one line")
    if one_sided:
        notes = (*notes, "only one of the two windows has traces: calls to other services are not divided by them")
    return Account(
        before=baseline.total if baseline else earlier,
        now=now.total,
        lines=lines,
        in_app=now.in_app,
        in_app_source=now.in_app_source,
        rate_per_s=now.rate_per_s,
        cross_check_s=now.cross_check_s,
        split_before=baseline is not None,
        notes=notes,
    )


def _without_spans(evidence: Evidence) -> Evidence:
    return msgspec.structs.replace(evidence, spans=None)


def _before_onset(evidence: Evidence) -> Estimate | None:
    """Mean response time of a series before latency rose; None when it shows no rise."""
    onset = onset_s(evidence.series) if evidence.series else None
    if evidence.series is None or onset is None:
        return None
    points = [p.mean_s for p in evidence.series.points if p.at_s < onset and p.mean_s is not None]
    return estimate(points) if points else None


def _unsplit(service: str, before: Estimate) -> Line:
    return Line(
        service=service,
        place="work that was there before the onset",
        kind="before",
        before_s=before.mean_s,
        now_s=0.0,
        se_s=before.se_s,
        evidence=("series",),
    )


def level(evidence: Evidence) -> Level | None:
    failed, waiting = failures(evidence.requests), unanswered(evidence.requests)
    evidence = msgspec.structs.replace(evidence, requests=answered(evidence.requests))
    total = _total(evidence)
    if total is None:
        return None
    connecting = _connecting(evidence)
    queue = queue_part(evidence, total.mean_s)
    outside_s = sum(part.seconds for part in connecting) + (queue.seconds if queue else 0.0)
    in_app, source = _in_app(evidence, total, outside_s)
    before = (*connecting, *((queue,) if queue else ()))
    spare_s = max(0.0, total.mean_s - outside_s - in_app.mean_s)
    parts = (*before, *in_app_parts(evidence, in_app), *cluster_parts(evidence, in_app, spare_s))
    cross_check = _littles_law(evidence)
    return Level(
        total=total,
        parts=_pool_small(parts),
        in_app=in_app,
        in_app_source=source,
        rate_per_s=request_rate_per_s(evidence),
        cross_check_s=cross_check,
        notes=(
            *((failed.words,) if failed else ()),
            *(
                (f"{waiting} requests had no answer yet when the look ended: they count as lower bounds",)
                if waiting
                else ()
            ),
            *_notes(evidence, in_app, cross_check),
            *_traces_note(evidence, parts),
        ),
    )


def _total(evidence: Evidence) -> Estimate | None:
    if evidence.requests and evidence.requests.due_s:
        return estimate(evidence.requests.total_s)
    timer = route_timer(evidence.timers, evidence.target.path)
    if timer and timer.count:
        mean = timer.sum_s / timer.count
        return Estimate(mean, mean / timer.count**0.5, int(timer.count))
    return None


def _connecting(evidence: Evidence) -> tuple[Part, ...]:
    requests = evidence.requests
    if requests is None or not requests.due_s:
        return ()
    timed = (
        ("looking up the server's name", requests.dns_s),
        ("connecting to the server", requests.connect_s),
        ("TLS handshake with the server", requests.tls_s),
    )
    parts = []
    for place, values in timed:
        time = estimate(values)
        if time.mean_s > 0:
            parts.append(Part(kind="network", place=place, seconds=time.mean_s, se_s=time.se_s, evidence=("requests",)))
    return tuple(parts)


def _in_app(evidence: Evidence, total: Estimate, outside_s: float) -> tuple[Estimate, str]:
    """Mean time inside the application: its own timer where there is one, else the rest of the total."""
    timer = route_timer(evidence.timers, evidence.target.path)
    trusted = evidence.timers is not None and evidence.timers.resets == 0
    if timer and trusted and timer.count >= MINIMUM_TIMED:
        mean = timer.sum_s / timer.count
        return Estimate(mean, _relative_error(total) * mean, int(timer.count)), "the application's own timer"
    rest = Estimate(max(0.0, total.mean_s - outside_s), total.se_s, total.n)
    busy = _of_busy_threads(evidence, total.n)
    if busy and busy.se_s < rest.se_s:
        return busy, "busy threads / request rate"
    return rest, "what connecting and queueing leave of the total"


def _of_busy_threads(evidence: Evidence, n: int) -> Estimate | None:
    """Little's law, when the target's route is nearly all that the threads are busy with.

    Behind a long queue this is much surer than the rest of the total, a small difference of two large times.
    """
    in_app_s, share = _littles_law(evidence), busy_share_of_route(evidence.profile) if evidence.profile else 0.0
    if in_app_s is None or share < NEARLY_ALL:
        return None
    return Estimate(share * in_app_s, LITTLES_ERROR * in_app_s, n)


NEARLY_ALL = 0.8
"""Of the busy time: the other routes' requests then change the rate by little more than they do the busy time."""
LITTLES_ERROR = 0.15
"""Relative: the two readings may differ by this much before either is doubted."""


MINIMUM_TIMED = 10
"""Fewer timed requests than this say less than our own."""


def _relative_error(total: Estimate) -> float:
    return total.se_s / total.mean_s if total.mean_s else 0.0


def _littles_law(evidence: Evidence) -> float | None:
    rate = request_rate_per_s(evidence)
    if not rate or evidence.cpu is None or evidence.cpu.busy_mean is None:
        return None
    return evidence.cpu.busy_mean / rate


def _notes(evidence: Evidence, in_app: Estimate, cross_check_s: float | None) -> tuple[str, ...]:
    notes = []
    one_route = evidence.profile is not None and len({s.route for s in evidence.profile.samples if s.route}) == 1
    if cross_check_s and in_app.mean_s and one_route:
        gap = cross_check_s / in_app.mean_s - 1
        if abs(gap) > DISAGREEMENT:
            notes.append(
                f"busy threads / request rate gives {cross_check_s * 1e3:.1f} ms in the application, the account uses "
                f"{in_app.mean_s * 1e3:.1f} ms: trust the order of the lines more than their size"
            )
    if hides_waiting(evidence):
        notes.append(
            "the workers switch between requests by themselves, and a request that waits there has no stack: "
            "what no called server was busy with stays unexplained"
        )
    if evidence.profile is not None and not evidence.profile.states_known:
        notes.append("thread states were not readable: waiting for the interpreter lock cannot be told from running")
    return tuple(notes)


def _traces_note(evidence: Evidence, parts: tuple[Part, ...]) -> tuple[str, ...]:
    """Traces divide the time of calls; whether they saw the same time is worth knowing."""
    divided_s = sum(part.seconds for part in parts if "spans" in part.evidence)
    traced_s = outside_s(evidence)
    if not divided_s or not traced_s or abs(traced_s / divided_s - 1) <= DISAGREEMENT:
        return ()
    return (
        f"traced requests spend {traced_s * 1e3:.1f} ms in calls to other services, the account uses "
        f"{divided_s * 1e3:.1f} ms: trust their order more than their size",
    )


DISAGREEMENT = 0.25
"""Two independent measures of the time in the application that differ by more are worth a note."""


def _pool_small(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Parts of one kind that are too small to read become one part; the sum stays."""
    large = [part for part in parts if part.seconds >= SMALLEST_LINE_S]
    pooled: dict[str, Part] = {}
    for part in parts:
        if part.seconds < SMALLEST_LINE_S:
            known = pooled.get(part.kind)
            pooled[part.kind] = Part(
                kind=part.kind,
                place="other",
                seconds=part.seconds + (known.seconds if known else 0.0),
                se_s=hypot(part.se_s, known.se_s if known else 0.0),
                evidence=part.evidence,
            )
    return (*large, *pooled.values())


def _merge(service: str, now: Level, before: Level | None) -> tuple[Line, ...]:
    """Lines of both windows under one key; a line may shrink, so its excess may be negative."""
    earlier = {(part.kind, part.place): part for part in before.parts} if before else {}
    lines = []
    for part in now.parts:
        match = earlier.pop((part.kind, part.place), None)
        lines.append(
            Line(
                service=part.service or service,
                place=part.place,
                kind=part.kind,
                before_s=match.seconds if match else 0.0,
                now_s=part.seconds,
                se_s=hypot(part.se_s, match.se_s if match else 0.0),
                evidence=part.evidence,
                detail=part.detail,
            )
        )
    lines += [
        Line(
            service=part.service or service,
            place=part.place,
            kind=part.kind,
            before_s=part.seconds,
            now_s=0.0,
            se_s=part.se_s,
            evidence=part.evidence,
            detail=part.detail,
        )
        for part in earlier.values()
    ]
    return tuple(sorted(lines, key=lambda line: (-line.excess_s, line.kind, line.place)))


def interval_ms(excess_s: float, se_s: float) -> tuple[float, float]:
    """95 % interval in milliseconds."""
    return ((excess_s - Z95 * se_s) * 1e3, (excess_s + Z95 * se_s) * 1e3)
