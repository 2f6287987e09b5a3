"""CPU of the workers, their control group and the machine: counters read at both ends of the window."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from unslow.collect import cgroups, processes, servers
from unslow.collect.discovery import Found, Workers
from unslow.collect.request_threads import RequestThreads
from unslow.collect.threads import main_thread_serves
from unslow.errors import Unavailable
from unslow.evidence.cpu import Cpu
from unslow.evidence.servers import Server
from unslow.evidence.window import Window

PROC = processes.PROC
COUNTERS_EVERY_S = 0.5
"""How often the counters are read between start and end, so that the window can be cut from them."""


@dataclass(frozen=True, slots=True)
class _Counters:
    """Everything that only grows, at one moment."""

    at_s: float
    cpu_s: dict[int, float]
    voluntary: dict[int, int]
    involuntary: dict[int, int]
    throttling: cgroups.Throttling | None
    stalled_s: float | None
    machine_busy_s: float
    machine_steal_s: float
    machine_all_s: float


class CpuReader:
    """`sample()` about 25 times a second; `result` sums up a window."""

    def __init__(self, found: Found, known: Server | None = None) -> None:
        """`known`: the server's settings, if they were read already."""
        server = known or servers.server(found)
        serves = main_thread_serves(server.worker_class, server.threads)
        limit = server.threads if server.worker_class in {"gthread", "waitress"} else None
        self._threads = RequestThreads(server.pids, main_serves=serves, per_process=limit)
        self._pids = server.pids
        self._workers = Workers(found)
        self._counters: list[_Counters] = []
        self._waiting: list[tuple[float, int]] = []
        self._quota = cgroups.quota(server.pids[0])
        self._pressure = next(
            (file for file in cgroups.pressure_files(server.pids[0], "cpu") if cgroups.stalled_s(file) is not None),
            None,
        )
        self._lifetime = self._life()

    def _life(self) -> tuple[float, float] | None:
        """(CPU seconds, seconds) of the workers from their start to now."""
        known = [
            (row.cpu_ticks / processes.TICKS_PER_S, time.time() - started)
            for pid in self._pids
            if (row := processes.stat(pid)) and (started := processes.started_s(pid))
        ]
        ages = [age_s for _, age_s in known]
        return (sum(used_s for used_s, _ in known), sum(ages) / len(ages)) if ages else None

    def close(self) -> None:
        self._threads.close()

    def sample(self) -> None:
        if self._workers.changed():
            self._pids = self._workers.pids
            self._threads.watch(self._pids)
        self._threads.sample()
        now_s = time.time()
        runnable = _runnable()
        if runnable is not None:
            self._waiting.append((now_s, runnable))
        if not self._counters or now_s - self._counters[-1].at_s >= COUNTERS_EVERY_S:
            self._counters.append(self._read())

    def _read(self) -> _Counters:
        cpu_s, voluntary, involuntary = {}, {}, {}
        for pid in self._pids:
            row = processes.stat(pid)
            if row:
                cpu_s[pid] = row.cpu_ticks / processes.TICKS_PER_S
                voluntary[pid], involuntary[pid] = _switches(pid)
        busy_s, steal_s, all_s = _machine()
        return _Counters(
            time.time(),
            cpu_s,
            voluntary,
            involuntary,
            cgroups.throttling(self._quota.folder) if self._quota else None,
            cgroups.stalled_s(self._pressure) if self._pressure else None,
            busy_s,
            steal_s,
            all_s,
        )

    def result(self, window: Window) -> Cpu:
        """Raises `Unavailable` when nothing was read within `window`."""
        self._counters.append(self._read())
        inside = [each for each in self._counters if window.start_s <= each.at_s]
        inside = [each for each in inside if each.at_s < window.end_s + COUNTERS_EVERY_S]
        busy = self._threads.result(window)
        if len(inside) < 2 or not busy.readings:
            raise Unavailable("the workers were not read while latency was measured", "repeat with a longer --budget")
        first, last = inside[0], inside[-1]
        seconds = last.at_s - first.at_s
        machine_s = last.machine_all_s - first.machine_all_s
        waiting = [number for at_s, number in self._waiting if window.start_s <= at_s < window.end_s]
        throttled = _throttled(first.throttling, last.throttling)
        stalled = None if first.stalled_s is None or last.stalled_s is None else last.stalled_s - first.stalled_s
        return Cpu(
            seconds=seconds,
            used_cores=_growth(first.cpu_s, last.cpu_s) / seconds,
            request_run_s=busy.run_s,
            request_delay_s=busy.delay_s,
            request_threads=busy.threads,
            busy_mean=busy.busy_mean,
            gil_wait_mean=busy.gil_wait_mean,
            limit_cores=self._quota.cores if self._quota else None,
            periods=throttled.periods,
            throttled_periods=throttled.throttled,
            throttled_s=throttled.throttled_s,
            lifetime_cores=self._lifetime[0] / self._lifetime[1] if self._lifetime and self._lifetime[1] else None,
            lifetime_s=self._lifetime[1] if self._lifetime else None,
            machine_cores=os.cpu_count() or 1,
            machine_busy_ratio=_ratio(last.machine_busy_s - first.machine_busy_s, machine_s),
            steal_ratio=_ratio(last.machine_steal_s - first.machine_steal_s, machine_s),
            pressure_some_ratio=None if stalled is None else min(1.0, stalled / seconds),
            run_queue_mean=sum(waiting) / len(waiting) if waiting else None,
            voluntary_switches_per_s=_growth(first.voluntary, last.voluntary) / seconds,
            involuntary_switches_per_s=_growth(first.involuntary, last.involuntary) / seconds,
        )


def _ratio(part: float, whole: float) -> float:
    return min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0


def _growth(first: dict[int, float] | dict[int, int], last: dict[int, float] | dict[int, int]) -> float:
    """Summed over the processes there were at the end; a new one started from nothing."""
    return float(sum(max(0.0, value - first.get(pid, 0)) for pid, value in last.items()))


def _throttled(first: cgroups.Throttling | None, last: cgroups.Throttling | None) -> cgroups.Throttling:
    if first is None or last is None:
        return cgroups.Throttling(0, 0, 0.0)
    return cgroups.Throttling(
        last.periods - first.periods, last.throttled - first.throttled, last.throttled_s - first.throttled_s
    )


def _switches(pid: int) -> tuple[int, int]:
    """(voluntary, involuntary) context switches of all threads."""
    voluntary = involuntary = 0
    try:
        tids = os.listdir(PROC / str(pid) / "task")  # noqa: PTH208
    except OSError:
        return 0, 0
    for tid in tids:
        for line in (processes.read(PROC / str(pid) / "task" / tid / "status") or "").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                voluntary += int(line.split()[1])
            elif line.startswith("nonvoluntary_ctxt_switches"):
                involuntary += int(line.split()[1])
    return voluntary, involuntary


def _machine() -> tuple[float, float, float]:
    """(busy, stolen, all) seconds of all cores since boot; waiting for input counts as idle."""
    text = processes.read(PROC / "stat") or "cpu 0"
    ticks = [int(field) for field in text.split("\n", 1)[0].split()[1:9]] + [0] * 8
    user, nice, system, idle, waiting, irq, soft, stolen = ticks[:8]
    busy = user + nice + system + irq + soft + stolen
    return (
        busy / processes.TICKS_PER_S,
        stolen / processes.TICKS_PER_S,
        (busy + idle + waiting) / processes.TICKS_PER_S,
    )


def _runnable() -> int | None:
    """Tasks that run or wait for a core, without ourselves."""
    fields = (processes.read(PROC / "loadavg") or "").split()
    return max(0, int(fields[3].partition("/")[0]) - 1) if len(fields) > 3 else None
