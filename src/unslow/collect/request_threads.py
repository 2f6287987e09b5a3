"""How many request threads are inside a request, and their CPU time, from repeated readings."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from unslow.collect.threads import ThreadReader, ThreadReading
from unslow.evidence.window import Window

SERVED_S = 0.005
"""CPU time that any thread has used which ever ran Python code for a request."""

Thread = tuple[int, int]
"""(pid, tid)."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Request threads over a window."""

    busy_mean: float | None
    """None: system calls are hidden from us, so idle and busy look the same."""
    gil_wait_mean: float | None
    client_mean: float
    """Of the busy ones, those that read from or write to the caller."""
    run_s: float
    delay_s: float
    threads: int
    readings: int


@dataclass(slots=True)
class _Track:
    """One thread's readings, in time order."""

    born: bool
    """Whether it began after the first reading: then its counters started from nothing."""
    at_s: list[float] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    run_s: list[float] = field(default_factory=list)
    delay_s: list[float] = field(default_factory=list)


class RequestThreads:
    """Follows the request threads of some processes with every `sample()`."""

    def __init__(self, pids: Iterable[int], *, main_serves: bool | None = None, per_process: int | None = None) -> None:
        """`per_process`: request threads that the server's settings allow; None: unknown or unlimited."""
        self._reader = ThreadReader(pids, main_serves)
        self._per_process = per_process
        self._tracks: dict[Thread, _Track] = {}
        self._schedules: dict[Thread, int] = {}
        self._known: set[int] = set()
        self._at_s: list[float] = []

    def watch(self, pids: Iterable[int]) -> None:
        self._reader.watch(pids)

    def close(self) -> None:
        self._reader.close()
        for file in self._schedules.values():
            os.close(file)
        self._schedules.clear()

    def sample(self, client_inodes: frozenset[int] = frozenset()) -> None:
        """One reading of every thread, about 15 microseconds each; `client_inodes`: sockets of callers."""
        self._at_s.append(time.time())
        seen = set()
        for reading in self._reader.read():
            thread = (reading.pid, reading.tid)
            seen.add(thread)
            if not reading.serves:
                continue
            schedule = self._schedule(thread)
            if schedule is None:
                continue
            track = self._tracks.setdefault(thread, _Track(len(self._at_s) > 1 and reading.pid in self._known))
            track.at_s.append(reading.at_s)
            client = reading.descriptor >= 0 and client_inodes and _inode(reading) in client_inodes
            track.states.append("client" if client else reading.state)
            track.run_s.append(schedule[0] / 1e9)
            track.delay_s.append(schedule[1] / 1e9)
        self._known = {pid for pid, _ in seen}
        for gone in self._schedules.keys() - seen:
            os.close(self._schedules.pop(gone))

    def _schedule(self, thread: Thread) -> tuple[int, int] | None:
        """(run, delay) in nanoseconds; None: it ended, or the kernel does not count (then zeros)."""
        file = self._schedules.get(thread)
        try:
            if file is None:
                path = f"/proc/{thread[0]}/task/{thread[1]}/schedstat"
                file = self._schedules[thread] = os.open(path, os.O_RDONLY)
            fields = os.pread(file, 64, 0).split()
        except FileNotFoundError:
            return None if not os.path.exists(f"/proc/{thread[0]}/task/{thread[1]}") else (0, 0)  # noqa: PTH110
        except OSError:
            return None
        return (int(fields[0]), int(fields[1])) if len(fields) > 1 else (0, 0)

    def result(self, window: Window) -> Busy:
        """Means over the readings within `window`."""
        readings = bisect_left(self._at_s, window.end_s) - bisect_left(self._at_s, window.start_s)
        cut = {thread: _cut(track, window) for thread, track in self._tracks.items()}
        chosen = self._request_threads({thread: track for thread, track in cut.items() if track.at_s})
        states = [state for track in chosen.values() for state in track.states]
        known = self._reader.states_known and readings > 0
        return Busy(
            busy_mean=sum(state != "idle" for state in states) / readings if known else None,
            gil_wait_mean=sum(state == "gil" for state in states) / readings if known else None,
            client_mean=sum(state == "client" for state in states) / readings if known else 0.0,
            run_s=sum(_grown(track.run_s, track.born) for track in chosen.values()),
            delay_s=sum(_grown(track.delay_s, track.born) for track in chosen.values()),
            threads=len(chosen),
            readings=readings,
        )

    def _request_threads(self, tracks: dict[Thread, _Track]) -> dict[Thread, _Track]:
        """Without the threads of C libraries and of background work.

        A thread that waits idly at its base and never did anything has no part in it either way. Of
        more threads than the server has, those count that used most CPU.
        """
        chosen = {
            thread: track
            for thread, track in tracks.items()
            if track.born or track.run_s[-1] >= SERVED_S or {"idle", "gil"} & set(track.states)
        }
        if self._per_process is None:
            return chosen
        most = sorted(chosen, key=lambda thread: -_grown(chosen[thread].run_s, chosen[thread].born))
        kept: list[Thread] = []
        for thread in most:
            if sum(pid == thread[0] for pid, _ in kept) < self._per_process:
                kept.append(thread)
        return {thread: chosen[thread] for thread in kept}


def _inode(reading: ThreadReading) -> int:
    try:
        target = os.readlink(f"/proc/{reading.pid}/fd/{reading.descriptor}")  # noqa: PTH115
    except OSError:
        return -1
    return int(target[8:-1]) if target.startswith("socket:[") else -1


def _cut(track: _Track, window: Window) -> _Track:
    start, end = bisect_left(track.at_s, window.start_s), bisect_left(track.at_s, window.end_s)
    return _Track(
        track.born and start == 0,
        track.at_s[start:end],
        track.states[start:end],
        track.run_s[start:end],
        track.delay_s[start:end],
    )


def _grown(counter: list[float], from_zero: bool) -> float:
    return counter[-1] - (0.0 if from_zero else counter[0])
