"""Single requests in a sequence of stack readings of one thread, and which of them were our own."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

import msgspec

SLACK_S = 0.005
"""A caller sees a request begin before and end after the worker does, by up to this."""
SHIFTS = 16
"""Displaced copies of our own requests that say how many coincidences are chance."""
GOLDEN = 0.6180339887498949
"""Displacements by its multiples never line up with evenly spaced requests."""
LEAST_COINCIDENCES = 2.0


class Reading(msgspec.Struct, frozen=True):
    """One look at one thread inside a request."""

    at_s: float
    view: str
    """Empty when the stack shows none."""
    stage: int
    """0 before the view, 1 dispatched, 2 after it."""


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it was seen: readings [first, last] of its thread."""

    first: int
    last: int
    view: str
    first_s: float
    last_s: float
    after_s: float
    """First reading of the thread at which the request was over."""

    def is_within(self, start_s: float, end_s: float) -> bool:
        """Whether it can be the request that a caller had in flight over [start, end)."""
        ends = self.last_s - SLACK_S <= end_s <= self.after_s + SLACK_S
        return ends and start_s <= self.first_s + SLACK_S


def split_requests(readings: Sequence[Reading | None], period_s: float) -> list[Instance]:
    """Requests of one thread; None stands for a reading outside any request.

    A new one begins after a gap, when the view changes, and when the stage falls back.
    """
    instances: list[Instance] = []
    start: int | None = None
    for index, reading in enumerate([*readings, None]):
        if start is not None and (reading is None or _begins_anew(readings[start:index], reading)):
            instances.append(_instance(readings, start, index - 1, period_s))
            start = None
        if reading is not None and start is None:
            start = index
    return instances


def target_view(
    instances: Sequence[Instance],
    ours: Sequence[tuple[float, float]],
    span: tuple[float, float],
    period_s: float = 0.0,
) -> str:
    """The view whose requests coincide with our own clearly more often than chance; empty when none does.

    Chance is what the same intervals give when displaced within the recording `span`. A view that shows in
    too few of our intervals is out, however: each of our requests went to the target's. Where every moment
    holds many requests chance explains all coincidences, and the one view that is left is the target's.
    """
    views = {instance.view for instance in instances if instance.view}
    if len(views) == 1:
        return views.pop()
    if not views or not ours:
        return ""
    ordered = sorted(instances, key=lambda instance: instance.last_s)
    found = _coincidences(ordered, ours)
    by_chance: Counter[str] = Counter()
    for turn in range(1, SHIFTS + 1):
        by_chance.update(_coincidences(ordered, _displaced(ours, span, turn * GOLDEN % 1.0)))
    seen = {view: _seen_ratio([one for one in instances if one.view == view], period_s) for view in views}
    possible = sorted(view for view in views if found[view] >= LEAST_COVERED * seen[view] * len(ours))
    if not possible:
        return ""
    lift = {view: found[view] - by_chance[view] / SHIFTS for view in possible}
    best = max(possible, key=lambda view: lift[view])
    if lift[best] >= LEAST_COINCIDENCES:
        return best
    covering = [view for view in possible if seen[view] == 1.0]
    return covering[0] if len(covering) == 1 and len(ours) >= MANY_OURS else ""


LEAST_COVERED = 0.6
"""Of our intervals; the rest may fall between two recordings or be answered by a hook."""
MANY_OURS = 5


def _seen_ratio(instances: Sequence[Instance], period_s: float) -> float:
    """The chance that a request of a view is seen at all: 1 when it lasts longer than two readings are apart."""
    if not period_s:
        return 0.0
    lasted = sum(instance.last_s - instance.first_s for instance in instances) / len(instances)
    return min(1.0, lasted / period_s)


def matching(instances: Sequence[Instance], ours: Sequence[tuple[float, float]]) -> list[bool]:
    """For each instance whether it can be one of ours."""
    return [any(instance.is_within(start, end) for start, end in ours) for instance in instances]


def _begins_anew(seen: Sequence[Reading | None], reading: Reading) -> bool:
    known = [earlier for earlier in seen if earlier is not None]
    if reading.stage < known[-1].stage:
        return True
    views = [earlier.view for earlier in known if earlier.view]
    return bool(views and reading.view and reading.view != views[-1])


def _instance(readings: Sequence[Reading | None], first: int, last: int, period_s: float) -> Instance:
    inside = [reading for reading in readings[first : last + 1] if reading is not None]
    following = readings[last + 1] if last + 1 < len(readings) else None
    last_s = inside[-1].at_s
    return Instance(
        first=first,
        last=last,
        view=next((reading.view for reading in inside if reading.view), ""),
        first_s=inside[0].at_s,
        last_s=last_s,
        after_s=following.at_s if following else last_s + period_s,
    )


def _coincidences(ordered: Sequence[Instance], ours: Sequence[tuple[float, float]]) -> Counter[str]:
    """How many of our intervals have a matching request, by view."""
    ends = [instance.last_s for instance in ordered]
    found: Counter[str] = Counter()
    for start, end in ours:
        low = bisect_left(ends, start - SLACK_S)
        high = bisect_left(ends, end + 2 * SLACK_S)
        found.update({inst.view for inst in ordered[low:high] if inst.view and inst.is_within(start, end)})
    return found


def _displaced(
    ours: Sequence[tuple[float, float]], span: tuple[float, float], turn: float
) -> list[tuple[float, float]]:
    """The intervals moved on by `turn` of the span, the end wrapped to the beginning."""
    begin, length = span[0], span[1] - span[0]
    moved = [(begin + (start - begin + turn * length) % length, end - start) for start, end in ours]
    return [(start, start + lasted) for start, lasted in moved]
