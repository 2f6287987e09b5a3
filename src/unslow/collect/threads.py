"""What each thread of the workers does, from /proc/PID/task/TID/syscall: no stop, no stack.

A thread in futex waits for the interpreter lock when the address lies in the interpreter's own
data, else for a lock; unless it waits at the base of its stack (`idle_waits`): then it has no work.
A running thread, one that waits for a core and one whose cgroup is throttled all read `run`.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Literal, NamedTuple

from unslow.collect import processes
from unslow.collect.idle_waits import PAGE_MASK, Wait, idle_waits
from unslow.collect.netlink import LISTEN, SockDiag
from unslow.collect.syscalls import NUMBERS
from unslow.errors import Unavailable

State = Literal["run", "gil", "lock", "io", "sleep", "disk", "unknown", "idle"]
_POLLFD = struct.Struct("=ihh")
_MAX_POLLED = 1024
REMEDY = "run unslow as root, or as the service's user with /proc/sys/kernel/yama/ptrace_scope at 0"


class ThreadReading(NamedTuple):
    """One thread at one moment."""

    pid: int
    tid: int
    state: State
    at_s: float
    """Unix seconds."""
    serves: bool
    """Whether it may handle requests: no main thread that only accepts, no thread beside a sync worker."""
    descriptor: int = -1
    """What a thread in `io` reads or writes; -1: unknown or several."""


class ThreadReader:
    """Reads all threads of some processes with every `read()`; descriptors stay open in between."""

    def __init__(self, pids: Iterable[int], main_serves: bool | None = None) -> None:
        """`main_serves`: whether main threads handle requests (`main_thread_serves`); None: find out."""
        self._main_serves = main_serves
        self._listening = _listening_inodes()
        self._workers: dict[int, _Worker] = {}
        self.watch(pids)

    def watch(self, pids: Iterable[int]) -> None:
        """Read these processes from now on: a server replaces its workers."""
        wanted = set(pids)
        for pid in self._workers.keys() - wanted:
            self._workers.pop(pid).close()
        for pid in wanted - self._workers.keys():
            self._workers[pid] = _Worker(pid, self._listening, self._main_serves)

    def close(self) -> None:
        self.watch(())

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(self._workers)

    @property
    def states_known(self) -> bool:
        """False: the kernel shows us no system calls, so that a thread is `run` or `unknown`."""
        return all(worker.readable for worker in self._workers.values())

    def read(self) -> list[ThreadReading]:
        """All threads now; a process that has gone has none."""
        return [reading for worker in self._workers.values() for reading in worker.read()]


def main_thread_serves(worker_class: str, threads: int) -> bool | None:
    """By Gunicorn's worker class or a server's name; None when it does not tell."""
    if worker_class == "sync":
        return True
    if worker_class in {"gthread", "waitress"} or (worker_class == "threaded" and threads > 1):
        return False
    return None


def _listening_inodes() -> frozenset[int]:
    try:
        with SockDiag() as diag:
            return frozenset(
                (
                    *(row.inode for row in diag.tcp(1 << LISTEN)),
                    *(each.inode for each in diag.unix(1 << LISTEN)),
                )
            )
    except Unavailable:
        return frozenset()


class _Worker:
    """One process: its open descriptors, and where its interpreter keeps the lock."""

    def __init__(self, pid: int, listening: frozenset[int], main_serves: bool | None) -> None:
        self._pid = pid
        self._tasks = f"/proc/{pid}/task"
        self._files: dict[int, int] = {}
        self._main_serves = main_serves
        self._interpreter = interpreter_data(pid)
        self._idle: frozenset[Wait] = idle_waits(pid)
        self._listeners = {
            descriptor for inode, descriptor in (processes.socket_inodes(pid) or {}).items() if inode in listening
        }
        self.readable = True
        try:
            self._memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        except OSError:
            self._memory = -1

    def close(self) -> None:
        for file in (*self._files.values(), self._memory):
            if file >= 0:
                os.close(file)
        self._files.clear()
        self._memory = -1

    def read(self) -> list[ThreadReading]:
        at_s = time.time()
        try:
            tids = [int(name) for name in os.listdir(self._tasks)]  # noqa: PTH208
        except OSError:
            return []
        for gone in self._files.keys() - set(tids):
            os.close(self._files.pop(gone))
        readings = []
        for tid in tids:
            known = self._state(tid)
            if known is not None:
                state, descriptor = known
                serves = self._main_serves is None or (tid == self._pid) is self._main_serves
                readings.append(ThreadReading(self._pid, tid, state, at_s, serves, descriptor))
        return readings

    def _state(self, tid: int) -> tuple[State, int] | None:
        """State and descriptor; None: the thread ended meanwhile."""
        file = self._files.get(tid)
        try:
            if file is None:
                file = self._files[tid] = os.open(f"{self._tasks}/{tid}/syscall", os.O_RDONLY)
            text = os.pread(file, 256, 0)
        except PermissionError:
            self.readable = False
            return self._scheduler_state(tid)
        except OSError:
            return None
        fields = text.split()
        if len(fields) < 9:
            return ("run" if fields[:1] == [b"running"] else "unknown"), -1
        number, arguments = int(fields[0]), [int(field, 16) for field in fields[1:8]]
        state = self._blocked(tid, number, arguments)
        return state, self._descriptor(number, arguments) if state == "io" else -1

    def _scheduler_state(self, tid: int) -> tuple[State, int] | None:
        text = processes.read(processes.PROC / str(self._pid) / "task" / str(tid) / "stat")
        if not text:
            return None
        letter = processes.parse_stat(text).state
        return ("run" if letter == "R" else "io" if letter == "D" else "unknown"), -1

    def _blocked(self, tid: int, number: int, arguments: list[int]) -> State:
        """`arguments`: the six of the system call, then the stack pointer."""
        first, stack_pointer = arguments[0], arguments[6]
        if number in NUMBERS.futex and any(start <= first < end for start, end in self._interpreter):
            return "gil"
        if tid == self._pid:
            if self._waits_for_callers(number, arguments):
                return "idle"
        elif (number, stack_pointer & PAGE_MASK) in self._idle:
            return "idle"
        if number in NUMBERS.accept and first in self._listeners:
            return "idle"
        if number in NUMBERS.futex or number in NUMBERS.file_lock:
            return "lock"
        if number in NUMBERS.sync or (number in NUMBERS.transfer and self._is_file(first)):
            return "disk"
        if number in NUMBERS.sleep or (number in NUMBERS.select and first == 0):
            return "sleep"
        return "unknown" if number in NUMBERS.unknown or number < 0 else "io"

    def _is_file(self, descriptor: int) -> bool:
        try:
            name = str((processes.PROC / str(self._pid) / "fd" / str(descriptor)).readlink())
        except OSError:  # closed meanwhile
            return False
        return name.startswith("/") and not name.startswith(("/dev/", "/proc/"))

    def _descriptor(self, number: int, arguments: list[int]) -> int:
        """The one descriptor that the thread waits for; -1: none or several."""
        if number in NUMBERS.transfer:
            return arguments[0]
        watched: set[int] | None = None
        if number in NUMBERS.epoll:
            text = processes.read(processes.PROC / str(self._pid) / "fdinfo" / str(arguments[0])) or ""
            watched = {int(line.split()[1]) for line in text.splitlines() if line.startswith("tfd:")}
        elif number in NUMBERS.poll and arguments[1] == 1:
            watched = self._polled(arguments[0], 1)
        return watched.pop() if watched and len(watched) == 1 else -1

    def _waits_for_callers(self, number: int, arguments: list[int]) -> bool:
        """Whether the main thread is in its server's loop: an event loop, or waiting for the listener."""
        if number in NUMBERS.epoll:
            if self._main_serves is None and len(self._files) > 1:
                self._main_serves = False
            return True
        if number in NUMBERS.select and arguments[0] > 0:
            watched = self._selected(arguments[0], arguments[1])
        elif number in NUMBERS.poll and 0 < arguments[1] <= _MAX_POLLED:
            watched = self._polled(arguments[0], arguments[1])
        else:
            return False
        # Without a look into its memory, a main thread in select is taken to wait for callers.
        return watched is None or not self._listeners or bool(watched & self._listeners)

    def _selected(self, count: int, address: int) -> set[int] | None:
        data = self._bytes(address, (count + 63) // 64 * 8)
        bits = int.from_bytes(data, "little") if data is not None else None
        return None if bits is None else {number for number in range(count) if bits >> number & 1}

    def _polled(self, address: int, count: int) -> set[int] | None:
        data = self._bytes(address, count * _POLLFD.size)
        return None if data is None else {entry[0] for entry in _POLLFD.iter_unpack(data)}

    def _bytes(self, address: int, size: int) -> bytes | None:
        if self._memory < 0:
            return None
        with suppress(OSError, OverflowError):
            data = os.pread(self._memory, size, address)
            return data if len(data) == size else None
        return None


def interpreter_data(pid: int) -> tuple[tuple[int, int], ...]:
    """Address ranges of the interpreter's data: writable mappings of libpython, else of the executable.

    The part without initial values (.bss) follows the file's last mapping without a name.
    """
    all_mappings = list(processes.mappings(pid))
    program = processes.executable(pid)
    library = next((each.path for each in all_mappings if "/libpython" in each.path), program)
    ranges: list[tuple[int, int]] = []
    for each in all_mappings:
        writable = "w" in each.permissions
        if writable and each.path == library:
            ranges.append((each.start, each.end))
        elif writable and not each.path and ranges and ranges[-1][1] == each.start:
            ranges[-1] = (ranges[-1][0], each.end)
    return tuple(ranges)
