"""The time inside the application, split by what its request threads were doing.

Every sample has a stack and a state. The state decides first, because it has no stack of its own:
waiting for the interpreter lock and collecting garbage are lines, and of the time in which a thread
was runnable the share that it was not on a CPU (schedstat) is a line too. These are taken out of
the stack's line, not added to it. The rest belongs to the stack: innermost known library first.
"""

from __future__ import annotations

from collections import defaultdict
from math import hypot, sqrt

import msgspec

from unslow.evidence import Evidence
from unslow.evidence.profile import Profile, State
from unslow.measure.database import database_parts
from unslow.measure.downstream import downstream_parts
from unslow.measure.downstream_spans import divided_by_spans
from unslow.measure.part import Part
from unslow.measure.quantities import Estimate
from unslow.measure.stacks import Place, place_of, request_seconds, samples_of_route, stack_of
from unslow.measure.without_stacks import (
    called_parts,
    computing_s,
    cpu_parts,
    hides_waiting,
    throttled_share,
)

KIND_OF_STACK = {
    "dns": "network",
    "connect": "network",
    "pool": "db pool wait",
    "query": "db query",
    "orm": "db query",
    "redis": "cache",
    "http": "downstream",
    "retry": "retry",
    "log": "log",
    "client_io": "client",
    "sleep": "sleep",
    "wait": "wait",
    "lock": "lock",
    "program": "program",
    "template": "cpu code",
    "code": "cpu code",
    "library": "cpu code",
    "server": "cpu code",
}
"""Account kind of each stack kind (`stacks.place_of`)."""

FIXED_PLACE = {
    "dns": "DNS look-ups",
    "connect": "opening connections to the database",
    "pool": "waiting for a pooled database connection",
    "client_io": "reading from and writing to the client",
    "server": "web framework",
    "query": "database",
    "orm": "database",
    "redis": "calls to the cache",
}
"""Stack kinds that are one line whatever function they were reached from."""


class Share(msgspec.Struct, frozen=True):
    """Share of the in-request samples, and how many readings that was."""

    ratio: float
    hits: float


class LineKey(msgspec.Struct, frozen=True):
    kind: str
    place: str
    detail: str = ""
    """The stack kind, for lines of code."""


GARBAGE = LineKey("memory", "garbage collection")
THROTTLED = LineKey("cpu throttled", "waiting for the next CPU quota period")


def contended_in(kind: str) -> LineKey:
    """Waiting for a core is kept apart by what the thread was at, so that a cause can be charged with its own."""
    return LineKey("cpu contended", f"waiting for a free core ({kind})", kind)


def gil_in(kind: str) -> LineKey:
    """Waiting for the interpreter lock, kept apart likewise."""
    return LineKey("gil", f"waiting for the interpreter lock ({kind})", kind)


def in_app_parts(evidence: Evidence, in_app: Estimate) -> tuple[Part, ...]:
    """The parts, with the time in called services divided by their traces where there are some."""
    return divided_by_spans(evidence, _measured_parts(evidence, in_app), in_app.mean_s)


def _measured_parts(evidence: Evidence, in_app: Estimate) -> tuple[Part, ...]:
    """Parts that sum to `in_app`; without stacks that tell all of it, what is known from outside."""
    profile = evidence.profile
    if profile is None or not profile.samples:
        return (*cpu_parts(evidence), *called_parts(evidence))
    shares = line_shares(evidence)
    if hides_waiting(evidence):
        computing = computing_s(evidence, request_seconds(profile))
        if computing is None:
            return called_parts(evidence)
        running = Estimate(min(computing, in_app.mean_s), in_app.se_s, in_app.n)
        return (*(_part(line, share, running) for line, share in shares.items()), *called_parts(evidence))
    parts = [_part(line, share, in_app) for line, share in shares.items()]
    plain = [part for part in parts if part.kind not in {"db query", "downstream"}]
    queried = [part for part in parts if part.kind == "db query"]
    called = [part for part in parts if part.kind == "downstream"]
    return (*plain, *database_parts(evidence, queried), *downstream_parts(evidence, called))


def line_shares(evidence: Evidence) -> dict[LineKey, Share]:
    """Share of in-request time by line; the shares sum to 1."""
    profile = evidence.profile
    if profile is None:
        return {}
    seconds: dict[LineKey, float] = defaultdict(float)
    waited = delay_ratio(profile)
    stopped = throttled_share(evidence.cpu) if evidence.cpu else 0.0
    for sample in samples_of_route(profile):
        stack = stack_of(profile, sample)
        if sample.state == "gc":
            seconds[GARBAGE] += sample.seconds
            continue
        line = _line(evidence, place_of(stack, sample.state), sample.state)
        if sample.state == "gil":
            seconds[gil_in(line.kind)] += sample.seconds
        else:
            delay = waited * sample.seconds if sample.state == "run" else 0.0
            if delay:
                for waiting, share in ((THROTTLED, stopped), (contended_in(line.kind), 1.0 - stopped)):
                    if share > 0:
                        seconds[waiting] += share * delay
            seconds[line] += sample.seconds - delay
    total = sum(seconds.values())
    if total <= 0:
        return {}
    return {line: Share(value / total, value * profile.rate_hz) for line, value in seconds.items()}


def delay_ratio(profile: Profile) -> float:
    """Of the time in which request threads were runnable, the share without a CPU: 0..1."""
    if not profile.run_s or profile.delay_s is None:
        return 0.0
    return profile.delay_s / (profile.run_s + profile.delay_s)


def _line(evidence: Evidence, place: Place, state: State) -> LineKey:
    computes = place.kind in {"code", "library", "template", "server"}
    if computes and state == "io" and _has_database(evidence):
        # A C driver leaves no frame: an application function that waits for a socket is in its call.
        return LineKey("db query", FIXED_PLACE["query"])
    if computes and state == "disk":
        return LineKey("disk", place.where)
    if place.kind in {"query", "orm"} and state in {"sleep", "lock"}:
        # A client of a server waits for its socket; an embedded database sleeps until its file is free.
        return LineKey("db lock wait", "waiting for the database file's lock")
    detail = place.kind if computes else ""
    return LineKey(KIND_OF_STACK[place.kind], FIXED_PLACE.get(place.kind, place.where), detail)


def _has_database(evidence: Evidence) -> bool:
    peers = evidence.sockets.peers if evidence.sockets else ()
    return evidence.queries is not None or any(peer.kind == "postgresql" for peer in peers)


def _part(line: LineKey, share: Share, in_app: Estimate) -> Part:
    seconds = share.ratio * in_app.mean_s
    # With less than one reading it is as uncertain as it is large.
    sampling = seconds / sqrt(max(1.0, share.hits))
    scaling = share.ratio * in_app.se_s
    return Part(
        kind=line.kind,
        place=line.place,
        seconds=seconds,
        se_s=hypot(sampling, scaling),
        evidence=("profile",),
        detail=line.detail,
    )
