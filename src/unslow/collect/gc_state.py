"""Whether a worker's interpreter is collecting garbage, read from its memory without touching it.

Where CPython keeps that flag differs by version and build. So the same executable is run once with a
small script that finds it in itself: by unusual thresholds, and by what changes while it collects.
The offset from the module's start is the same in every process of that build.
"""

from __future__ import annotations

import os
import struct
import time
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from unslow.collect import processes
from unslow.collect.threads import REMEDY
from unslow.errors import Unavailable
from unslow.evidence.window import Window

SCRIPT = """
import gc, os, struct, sys
with open('/proc/self/maps') as file:
    rows = [line.split(maxsplit=5) for line in file]
paths = [row[5].strip() if len(row) > 5 else '' for row in rows]
module = next((path for path in paths if '/libpython' in path), os.path.realpath('/proc/self/exe'))
spans = [tuple(int(part, 16) for part in row[0].split('-')) for row in rows]
base = next(span[0] for span, path in zip(spans, paths) if path == module)
data = []
for row, path, (start, end) in zip(rows, paths, spans):
    if 'w' in row[1] and (path == module or (not path and data and data[-1][1] == start)):
        data.append((start, end))
memory = os.open('/proc/self/mem', os.O_RDONLY)
WANTED = 24 * 3
REACH = 1024


def read(address, size):
    return os.pread(memory, size, address)


def find(thresholds):
    gc.set_threshold(*thresholds)
    first = struct.pack('i', thresholds[0])
    found = set()
    for start, end in data:
        block = read(start, end - start)
        at = block.find(first)
        while at >= 0:
            for step in (24, 16, 32, 8):
                rest = [block[at + n * step:at + n * step + 4] for n in (1, 2)]
                if rest == [struct.pack('i', value) for value in thresholds[1:]]:
                    found.add(start + at)
            at = block.find(first, at + 4)
    return found


gc.disable()
both = find((73819, 4127, 6151)) & find((65371, 3571, 5393))
if len(both) != 1:
    sys.exit('thresholds found at %d places' % len(both))
place = both.pop()
low = place - REACH
before = [read(low, 2 * REACH)]
during = []
gc.callbacks.append(lambda phase, info: during.append(read(low, 2 * REACH)) if phase == 'start' else None)
for _ in range(3):
    gc.collect()
    before.append(read(low, 2 * REACH))
flags = [at for at in range(0, 2 * REACH, 4)
         if all(block[at:at + 4] == b'\\0\\0\\0\\0' for block in before)
         and all(block[at:at + 4] == b'\\1\\0\\0\\0' for block in during)]
if len(flags) != 1 or len(during) != 3:
    sys.exit('%d flags change with a collection' % len(flags))


def sized(block):
    return [struct.unpack_from('q', block, at)[0] for at in range(0, 2 * REACH - 8, 8)]


full = [gc.get_stats()[2]['collections']]
counts = [sized(read(low, 2 * REACH))]
kept = []
for number in (2, 3):
    for _ in range(number):
        gc.collect()
    kept += [[] for _ in range(10000 * number)]
    gc.collect()
    full.append(gc.get_stats()[2]['collections'])
    counts.append(sized(read(low, 2 * REACH)))
grown = [at for at in range(len(counts[0])) if [values[at] for values in counts] == full]
tracked = [at for at in range(len(counts[0]))
           if all(abs(counts[n][at] - counts[n - 1][at] - 10000 * (n + 1)) < 100 for n in (1, 2))]
print(module)
places = [low + found[0] * 8 - base if len(found) == 1 else 0 for found in (grown, tracked)]
print(low + flags[0] - base, *places)
"""


class Offsets(NamedTuple):
    """Bytes from the start of the module; 0: not found in this version."""

    module: str
    collecting: int
    full_collections: int
    tracked: int


_KNOWN: dict[str, Offsets] = {}
"""By executable: a build answers always the same."""


def offsets(pid: int) -> Offsets:
    """Where the interpreter of `pid` keeps its collector's state. Raises `Unavailable` when not found."""
    executable = processes.executable(pid)
    if executable in _KNOWN:
        return _KNOWN[executable]
    if not processes.is_interpreter(executable):
        raise Unavailable(
            f"garbage collector of {executable or 'the worker'}", "run the service under a python executable"
        )
    answer = processes.run_as_owner(pid, ["-I", "-S", "-c", SCRIPT])
    lines = answer.stdout.splitlines() if answer else []
    if len(lines) != 2:
        why = answer.stderr.strip().splitlines()[-1:] if answer else []
        raise Unavailable(
            f"garbage collector of {executable}: {why[0] if why else 'it did not answer'}",
            "run the service on CPython 3.11 or later",
        )
    _KNOWN[executable] = Offsets(lines[0], *(int(text) for text in lines[1].split()))
    return _KNOWN[executable]


class Collecting(NamedTuple):
    """What the readings of a window say."""

    ratio: float
    readings: int
    full_per_s: float | None
    tracked_objects: int | None


class _Worker:
    """One process's collector."""

    def __init__(self, pid: int, known: Offsets) -> None:
        base = next((each.start for each in processes.mappings(pid) if each.path == known.module), None)
        if base is None:
            raise Unavailable(f"memory layout of process {pid}", REMEDY)
        try:
            self._memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        except OSError as error:
            raise Unavailable(f"memory of process {pid}: {error.strerror}", REMEDY) from error
        self._flag = base + known.collecting
        self._full = base + known.full_collections if known.full_collections else 0
        self._tracked = base + known.tracked if known.tracked else 0

    def close(self) -> None:
        os.close(self._memory)

    def collecting(self) -> bool | None:
        """None: the process has gone."""
        data = self._read(self._flag, 4)
        return None if data is None else data != b"\0\0\0\0"

    def full_collections(self) -> int | None:
        return self._sized(self._full)

    def tracked(self) -> int | None:
        return self._sized(self._tracked)

    def _sized(self, address: int) -> int | None:
        data = self._read(address, 8) if address else None
        return None if data is None else int(struct.unpack("=q", data)[0])

    def _read(self, address: int, size: int) -> bytes | None:
        try:
            data = os.pread(self._memory, size, address)
        except OSError:
            return None
        return data if len(data) == size else None


class GcReader:
    """Reads the workers' collectors with every `sample()`, a few microseconds each."""

    def __init__(self, pids: Iterable[int]) -> None:
        """Raises `Unavailable` when the interpreter's state cannot be found or read."""
        self._workers: dict[int, _Worker] = {}
        self._at_s: list[float] = []
        self._flags: list[tuple[int, int]] = []
        self._full: list[dict[int, int]] = []
        self.watch(pids)

    def watch(self, pids: Iterable[int]) -> None:
        """Read these processes from now on."""
        wanted = set(pids)
        for pid in self._workers.keys() - wanted:
            self._workers.pop(pid).close()
        for pid in wanted - self._workers.keys():
            self._workers[pid] = _Worker(pid, offsets(pid))

    def close(self) -> None:
        self.watch(())

    def collecting(self, pid: int) -> bool:
        """Whether `pid` is collecting at this moment."""
        worker = self._workers.get(pid)
        return bool(worker and worker.collecting())

    def sample(self) -> None:
        flags = [flag for worker in self._workers.values() if (flag := worker.collecting()) is not None]
        self._at_s.append(time.time())
        self._flags.append((sum(flags), len(flags)))
        counts = ((pid, worker.full_collections()) for pid, worker in self._workers.items())
        self._full.append({pid: count for pid, count in counts if count is not None})

    def result(self, window: Window) -> Collecting:
        """Share of time of one worker. Raises `Unavailable` when nothing was read within `window`."""
        start, end = bisect_left(self._at_s, window.start_s), bisect_left(self._at_s, window.end_s)
        readings = sum(number for _, number in self._flags[start:end])
        if not readings:
            raise Unavailable("the workers' collectors were not read", "repeat with a longer --budget")
        first, last = self._full[start], self._full[end - 1]
        seconds = self._at_s[end - 1] - self._at_s[start]
        full = sum(last[pid] - first[pid] for pid in first.keys() & last.keys())
        tracked = [count for worker in self._workers.values() if (count := worker.tracked())]
        return Collecting(
            ratio=sum(collecting for collecting, _ in self._flags[start:end]) / readings,
            readings=readings,
            full_per_s=full / seconds if first and seconds > 0 else None,
            tracked_objects=max(tracked, default=None),
        )
