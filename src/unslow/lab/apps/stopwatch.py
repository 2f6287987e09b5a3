"""How long the parts of a request take, in a file of this process that others may read at any time."""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from pathlib import Path
from types import TracebackType

RECORD = struct.Struct("<dd16s")
"""Unix time of the end, seconds, part."""
RECORDS = 200_000
"""The oldest are written over."""


class Stopwatch:
    """`with watch("payment"): ...` notes one call. Memory-mapped: a system call would give up the interpreter lock."""

    def __init__(self, folder: Path) -> None:
        with (folder / f"{os.getpid()}").open("w+b") as file:
            file.truncate(RECORD.size * RECORDS)
            self._memory = mmap.mmap(file.fileno(), 0)
        self._next = 0
        self._lock = threading.Lock()

    def __call__(self, part: str) -> Lap:
        return Lap(self, part)

    def add(self, part: str, seconds: float) -> None:
        with self._lock:
            RECORD.pack_into(self._memory, self._next * RECORD.size, time.time(), seconds, part.encode())
            self._next = (self._next + 1) % RECORDS


class Lap:
    """One measured stretch; an object, not a generator, so that it leaves no frame of its own on the stack."""

    def __init__(self, watch: Stopwatch, part: str) -> None:
        self._watch, self._part = watch, part

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.add(self._part, time.perf_counter() - self._started)
