"""Memory of the workers and their control group, and what the garbage collector takes."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from unslow.collect import cgroups, processes
from unslow.collect.discovery import Found, Workers
from unslow.collect.gc_state import GcReader
from unslow.errors import Unavailable
from unslow.evidence.cpu import Memory
from unslow.evidence.window import Window

COUNTERS_EVERY_S = 0.5
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class _Counters(NamedTuple):
    at_s: float
    major_faults: dict[int, int]
    stalled_s: float | None


class MemoryReader:
    """`sample()` reads the collectors, and the counters twice a second."""

    def __init__(self, found: Found) -> None:
        self._workers = Workers(found)
        self._pids = found.workers
        self._collectors: GcReader | None = None
        self._follow()
        self._counters: list[_Counters] = []
        files = cgroups.pressure_files(found.workers[0], "memory")
        self._pressure = next((file for file in files if cgroups.stalled_s(file) is not None), None)

    def _follow(self) -> None:
        """Read the collectors of the present workers; without them the rest of memory is worth having."""
        try:
            if self._collectors:
                self._collectors.watch(self._pids)
            else:
                self._collectors = GcReader(self._pids)
        except Unavailable:
            self._collectors = None

    def close(self) -> None:
        if self._collectors:
            self._collectors.close()

    def sample(self) -> None:
        if self._workers.changed():
            self._pids = self._workers.pids
            self._follow()
        if self._collectors:
            self._collectors.sample()
        if not self._counters or time.time() - self._counters[-1].at_s >= COUNTERS_EVERY_S:
            self._counters.append(self._read())

    def _read(self) -> _Counters:
        rows = {pid: row.major_faults for pid in self._pids if (row := processes.stat(pid))}
        return _Counters(time.time(), rows, cgroups.stalled_s(self._pressure) if self._pressure else None)

    def result(self, window: Window) -> Memory:
        """Raises `Unavailable` when the workers were not read within `window` or have gone."""
        self._counters.append(self._read())
        inside = [each for each in self._counters if window.start_s <= each.at_s < window.end_s + COUNTERS_EVERY_S]
        sizes = [_resident_bytes(pid) for pid in self._pids]
        if len(inside) < 2 or not any(sizes):
            raise Unavailable("the workers' memory was not read", "repeat while the service runs")
        collecting = self._collectors.result(window) if self._collectors else None
        first, last = inside[0], inside[-1]
        seconds = last.at_s - first.at_s
        stalled = None if first.stalled_s is None or last.stalled_s is None else last.stalled_s - first.stalled_s
        group = cgroups.memory(self._pids[0])
        faults = sum(count - first.major_faults.get(pid, 0) for pid, count in last.major_faults.items())
        return Memory(
            rss_bytes=sum(sizes),
            limit_bytes=group.limit_bytes,
            used_bytes=group.used_bytes,
            major_faults_per_s=faults / seconds,
            swap_bytes=sum(_swapped_bytes(pid) for pid in self._pids),
            pressure_some_ratio=None if stalled is None else min(1.0, stalled / seconds),
            gc_ratio=collecting.ratio if collecting else None,
            gc_readings=collecting.readings if collecting else 0,
            gc_full_collections_per_s=collecting.full_per_s if collecting else None,
            gc_tracked_objects=collecting.tracked_objects if collecting else None,
        )


def _resident_bytes(pid: int) -> int:
    fields = (processes.read(processes.PROC / str(pid) / "statm") or "").split()
    return int(fields[1]) * PAGE_BYTES if len(fields) > 1 else 0


def _swapped_bytes(pid: int) -> int:
    for line in (processes.read(processes.PROC / str(pid) / "status") or "").splitlines():
        if line.startswith("VmSwap:"):
            return int(line.split()[1]) * 1024
    return 0
