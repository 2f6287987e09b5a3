"""The stacks of one process over time, from py-spy's Chrome trace.

The trace says only when a thread's stack changed, in microseconds since the recorder began, under the
pthread id; the outermost frame `thread (TID): name` (from `--threads`) carries the kernel's thread id.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from unslow.errors import BadInput
from unslow.evidence.profile import Frame

THREAD = re.compile(r"thread \((\d+)\)")
BIN_S = 0.0005
"""Resolution when the recorder's clock is aligned with ours."""
SNAP_S = 0.003
"""A change is written this soon before or after the recorder goes to sleep; later ones belong to no tick."""


class _Args(msgspec.Struct):
    filename: str = ""
    line: int | None = None


class _Event(msgspec.Struct):
    ph: str
    tid: int
    ts: int
    name: str
    args: _Args


class Frames:
    """Distinct frames, numbered in order of appearance; shared by all processes of a profile."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str, int], int] = {}

    def number(self, function: str, file: str, line: int) -> int:
        return self._numbers.setdefault((function, file, line), len(self._numbers))

    def all(self) -> list[Frame]:
        return [Frame(function=function, file=file, line=line) for function, file, line in self._numbers]


class Change(msgspec.Struct, frozen=True):
    at_s: float
    """Seconds since the recorder began."""
    tid: int
    stack: tuple[int, ...]
    """Frame numbers, outermost first, from this moment on."""


class Timeline:
    """Stacks by kernel thread id; times on our monotonic clock."""

    def __init__(self, changes: Iterable[Change], offset_s: float, ticks: Sequence[float] = ()) -> None:
        self._times: dict[int, list[float]] = defaultdict(list)
        self._stacks: dict[int, list[tuple[int, ...]]] = defaultdict(list)
        for change in changes:
            self._times[change.tid].append(snap(change.at_s + offset_s, ticks))
            self._stacks[change.tid].append(change.stack)

    @property
    def tids(self) -> tuple[int, ...]:
        return tuple(self._times)

    def at(self, tid: int, at_s: float) -> tuple[int, ...]:
        """The stack of the last reading not after `at_s`; empty when the thread had not been seen."""
        index = bisect_right(self._times.get(tid, ()), at_s) - 1
        return self._stacks[tid][index] if index >= 0 else ()


def changes_of(trace: bytes, frames: Frames) -> list[Change]:
    """Stack changes of every thread in order of time. Raises BadInput for what is no Chrome trace."""
    try:
        events = msgspec.json.decode(trace, type=list[_Event])
    except msgspec.DecodeError as error:
        raise BadInput(f"not a Chrome trace: {error}") from error
    stacks: dict[int, list[int]] = defaultdict(list)
    owners: dict[int, int] = {}
    changes: list[Change] = []
    end = max((event.ts for event in events), default=0)
    for position, event in enumerate(events):
        stack = stacks[event.tid]
        if event.ph == "E":
            if stack:
                stack.pop()
        elif thread := THREAD.match(event.name):
            owners[event.tid] = int(thread[1])
            stack.clear()
        else:
            stack.append(frames.number(event.name, event.args.filename, event.args.line or 0))
        follower = events[position + 1] if position + 1 < len(events) else None
        is_whole = follower is None or (follower.tid, follower.ts) != (event.tid, event.ts)
        if is_whole and event.tid in owners and event.ts < end:
            changes.append(Change(event.ts / 1e6, owners[event.tid], tuple(stack)))
    return changes


def align(changes: Sequence[Change], ticks: Sequence[float], began_s: float) -> float:
    """Offset from the recorder's clock to ours, seconds.

    Every reading of the stacks is followed at once by a tick on our clock, so the true offset is the one
    at which most changes meet a tick. `began_s`: just before the recorder started, on our clock.
    """
    earliest, latest = began_s, began_s + 0.5
    votes: Counter[int] = Counter()
    for at_s in {change.at_s for change in changes}:
        low = bisect_left(ticks, earliest + at_s)
        high = bisect_right(ticks, latest + at_s)
        votes.update(round((tick - at_s - began_s) / BIN_S) for tick in ticks[low:high])
    if not votes:
        return began_s
    widened = {bin_: votes[bin_ - 1] + count + votes[bin_ + 1] for bin_, count in votes.items()}
    best = min(widened, key=lambda bin_: (-widened[bin_], bin_))
    return began_s + best * BIN_S


def snap(at_s: float, ticks: Sequence[float]) -> float:
    """The tick that a change belongs to, if one is that close."""
    index = bisect_left(ticks, at_s)
    near = ticks[max(index - 1, 0) : index + 1]
    tick = min(near, key=lambda tick: abs(tick - at_s), default=at_s)
    return tick if abs(tick - at_s) <= SNAP_S else at_s
