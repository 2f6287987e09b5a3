"""Joins stacks with thread states, cuts them into requests and adds equal readings up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import cast

import msgspec

from unslow.collect.timeline import Timeline
from unslow.evidence.profile import Frame, Sample, State
from unslow.measure.instances import Instance, Reading, matching, split_requests, target_view
from unslow.measure.libraries import is_application, label
from unslow.measure.stacks import in_request
from unslow.measure.views import RoleOf, stage_of, view_of

MOST_SAMPLES = 5_000

Intervals = Sequence[tuple[float, float]]


class Tick(msgspec.Struct, frozen=True):
    """One reading of all threads of one process."""

    at_s: float
    """Monotonic seconds."""
    states: Mapping[int, str]
    """By thread id; empty when states are not read."""
    collecting: bool = False
    """Whether the interpreter was collecting garbage."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One thread at one tick."""

    pid: int
    tid: int
    at_s: float
    stack: tuple[int, ...]
    state: str
    seconds: float
    """Thread-seconds that it stands for."""


class Request(msgspec.Struct, frozen=True):
    """What the request of an observation is: its view, and whether it was our own."""

    route: str
    ours: bool


OUTSIDE = Request("", ours=False)


def observations_of(
    pid: int, timeline: Timeline, ticks: Sequence[Tick], seconds: float, ahead_s: float = 0.0
) -> list[Observation]:
    """One observation per tick and thread with a Python stack; all ticks stand for the same time.

    `ahead_s`: where ticks and readings of the stacks are independent, the stack seen last is on average
    one period old; looking ahead by the period's half-life makes it as often too new as too old.
    """
    found = []
    for tick in ticks:
        for tid in tick.states or timeline.tids:
            stack = timeline.at(tid, tick.at_s + ahead_s)
            if stack:
                found.append(
                    Observation(
                        pid=pid,
                        tid=tid,
                        at_s=tick.at_s,
                        stack=stack,
                        state=_state(tick.states.get(tid, "unknown"), tick.collecting),
                        seconds=seconds / len(ticks),
                    )
                )
    return found


def _state(state: str, collecting: bool) -> str:
    return "gc" if collecting and state in {"run", "gil"} else state


class Sampled(msgspec.Struct, frozen=True):
    """The profile's samples, and which threads served requests."""

    samples: tuple[Sample, ...]
    route: str
    request_threads: frozenset[tuple[int, int]]
    """(pid, tid)."""


def sampled(observations: Sequence[Observation], frames: Sequence[Frame], ours: Intervals, role_of: RoleOf) -> Sampled:
    """Name the request of each observation, find the target's view, and add equal observations up."""
    stacks = _Stacks(frames, role_of)
    threads = _by_thread(observations)
    period_s = _period(threads)
    found = {
        thread: split_requests([stacks.reading(seen) for seen in row], period_s) for thread, row in threads.items()
    }
    instances = [instance for row in found.values() for instance in row]
    times = [seen.at_s for seen in observations]
    route = target_view(instances, ours, (min(times), max(times) + period_s), period_s) if times else ""
    is_only_view = len({instance.view for instance in instances} - {""}) == 1
    totals: Totals = defaultdict(lambda: (0.0, 0.0))
    for thread, row in threads.items():
        requests = _requests(found[thread], len(row), ours, route, is_only_view)
        for seen, request in zip(row, requests, strict=True):
            if state := _reported(seen.state, request is not OUTSIDE):
                key = (seen.stack, state, request.route)
                total, own = totals[key]
                totals[key] = (total + seen.seconds, own + (seen.seconds if request.ours else 0.0))
    return Sampled(
        samples=_as_samples(_limited(totals, stacks)),
        route=route,
        request_threads=frozenset(thread for thread, row in found.items() if row),
    )


Totals = dict[tuple[tuple[int, ...], str, str], tuple[float, float]]
"""(stack, state, route) to thread-seconds, and those of our own requests."""


class _Stacks:
    """What each distinct stack says of its request, worked out once."""

    def __init__(self, frames: Sequence[Frame], role_of: RoleOf) -> None:
        self._frames = frames
        self._role_of = role_of
        self._known: dict[tuple[int, ...], tuple[str, int] | None] = {}

    def reading(self, seen: Observation) -> Reading | None:
        """None outside requests."""
        if seen.stack not in self._known:
            self._known[seen.stack] = self._look(seen.stack)
        known = self._known[seen.stack]
        return Reading(seen.at_s, *known) if known else None

    def without_callees(self, stack: tuple[int, ...]) -> tuple[int, ...]:
        """The stack up to its innermost application frame; whole when there is none."""
        for index in range(len(stack) - 1, -1, -1):
            if is_application(self._frames[stack[index]]):
                return stack[: index + 1]
        return stack

    def _look(self, numbers: tuple[int, ...]) -> tuple[str, int] | None:
        stack = [self._frames[number] for number in numbers]
        if not in_request(stack):
            return None
        view = view_of(stack, self._role_of)
        return (label(view) if view else "", stage_of(stack))


def _by_thread(observations: Sequence[Observation]) -> dict[tuple[int, int], list[Observation]]:
    threads: dict[tuple[int, int], list[Observation]] = defaultdict(list)
    for seen in sorted(observations, key=lambda seen: seen.at_s):
        threads[seen.pid, seen.tid].append(seen)
    return threads


def _period(threads: Mapping[tuple[int, int], Sequence[Observation]]) -> float:
    """Mean time between two readings of a thread, seconds."""
    gaps = [after.at_s - before.at_s for row in threads.values() for before, after in pairwise(row)]
    return sum(gaps) / len(gaps) if gaps else 0.0


def _requests(
    instances: Sequence[Instance], length: int, ours: Intervals, route: str, is_only_view: bool
) -> list[Request]:
    """The request of each observation of one thread.

    One whose view was never seen has the target's when it is ours, or when no other view exists.
    """
    named = [OUTSIDE] * length
    for instance, is_ours in zip(instances, matching(instances, ours), strict=True):
        view = instance.view or (route if is_ours or is_only_view else "")
        request = Request(view, ours=is_ours and view == route)
        named[instance.first : instance.last + 1] = [request] * (instance.last + 1 - instance.first)
    return named


def _reported(state: str, inside: bool) -> str:
    """Idle threads are left out; a request's thread that looks idle waits for something like it: a lock."""
    if state == "idle":
        return "lock" if inside else ""
    return state


def _limited(totals: Totals, stacks: _Stacks) -> Totals:
    """At most MOST_SAMPLES entries: the smallest lose what is below the application, then are dropped."""
    if len(totals) <= MOST_SAMPLES:
        return totals
    ordered = sorted(totals.items(), key=lambda item: (-item[1][0], item[0]))
    kept: Totals = defaultdict(lambda: (0.0, 0.0), ordered[: MOST_SAMPLES // 2])
    for (stack, state, route), (total, own) in ordered[MOST_SAMPLES // 2 :]:
        key = (stacks.without_callees(stack), state, route)
        kept[key] = (kept[key][0] + total, kept[key][1] + own)
    return dict(sorted(kept.items(), key=lambda item: (-item[1][0], item[0]))[:MOST_SAMPLES])


def _as_samples(totals: Totals) -> tuple[Sample, ...]:
    ordered = sorted(totals.items(), key=lambda item: (-item[1][0], item[0]))
    return tuple(
        Sample(stack=stack, state=cast("State", state), seconds=total, route=route, ours=own)
        for (stack, state, route), (total, own) in ordered
    )
