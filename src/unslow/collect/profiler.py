"""Wall-clock stacks of all worker threads, each with the thread's state at the same moment.

The recorders (`sampler.py`) run for the whole time; each of their readings is joined with a reading
of the kernel's thread states. Requests are then cut out of each thread's readings, named by their
view, and compared with the requests that we ourselves had in flight.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from math import log
from typing import Protocol

import msgspec

from unslow.collect import processes
from unslow.collect.sampler import Sampler, find_py_spy
from unslow.collect.source_lines import Sources
from unslow.collect.stack_samples import Observation, Tick, observations_of, sampled
from unslow.collect.timeline import Frames, Timeline, align, changes_of
from unslow.errors import Unavailable
from unslow.evidence.profile import Frame, Profile, Sample
from unslow.measure.libraries import is_application

RATE_HZ = 50
LAUNCH_DELAY_S = 0.0035
"""From the launcher's greeting to the recorder's clock zero, as measured; used where no gate tells better."""
HALF_LIFE_S = log(2) / RATE_HZ
"""Of the time since the last reading of the stacks: py-spy's pauses are exponentially distributed."""
MOST_PROCESSES = 8
"""Of more workers than this, evenly chosen ones are recorded: each costs 2 to 10 % of a core."""
MOST_LINES = 200
"""Source lines looked up."""
READER_PRIORITY = 4
"""Below the recorders' own: they must not wait for us."""
POLL_S = 0.1
TOLD_STATES = frozenset({"gil", "lock", "io", "sleep", "disk", "idle"})
"""States that only the system call number tells."""


class ThreadState(Protocol):
    """What one thread is doing, as the kernel sees it."""

    @property
    def pid(self) -> int: ...

    @property
    def tid(self) -> int: ...

    @property
    def state(self) -> str: ...


class ReadsThreads(Protocol):
    """Reads the states of all threads of the workers, at once."""

    def read(self) -> Sequence[ThreadState]: ...


def record(
    found_pids: Sequence[int],
    seconds: float,
    ours: Callable[[], Sequence[tuple[float, float]]],
    threads: ReadsThreads | None,
    collecting: Callable[[int], bool] | None = None,
    cancel: threading.Event | None = None,
) -> Profile:
    """Profile the worker processes for `seconds`; blocks until done, earlier once `cancel` is set.

    `ours()` gives, at the end, the [start, end) of the requests that we sent to the target's URL
    meanwhile, in Unix seconds. `collecting(pid)` says whether a worker's interpreter is
    collecting garbage right now. Raises Unavailable when py-spy is missing or may not look.
    """
    pids = _chosen(found_pids)
    frames = Frames()
    booted_s = time.time() - time.monotonic()
    with ExitStack() as cleaning:
        samplers = _started(pids, seconds, cleaning)
        before = _schedstats(pids)
        with _at_high_priority():
            watched = _watch(samplers, seconds, threads, collecting, cancel or threading.Event())
        after = _schedstats(pids)
        recorded = _stopped(samplers)
        # Workers that were not recorded are taken to do what the recorded ones do.
        each_s = watched.seconds * len(found_pids) / len(recorded)
        observations = [
            seen for sampler in recorded for seen in _observed(sampler, watched.ticks[sampler.pid], frames, each_s)
        ]
        failed = sum(sampler.errors() for sampler in recorded)
    ticks = [tick for sampler in recorded for tick in watched.ticks[sampler.pid]]
    own = [(start - booted_s, end - booted_s) for start, end in ours() if end > watched.began_s + booted_s]
    sources = Sources(pids, [frame.file for frame in frames.all()])
    joined = sampled(observations, frames.all(), own, sources.role)
    spent = [after[thread] - before.get(thread, Spent(0.0, 0.0)) for thread in joined.request_threads & after.keys()]
    return Profile(
        frames=_with_calls(frames.all(), joined.samples, sources),
        samples=joined.samples,
        seconds=watched.seconds,
        rate_hz=len(ticks) / len(recorded) / watched.seconds,
        readings=len(ticks) // len(recorded),
        lost_ratio=failed / (len(ticks) + failed) if ticks else 1.0,
        states_known=any(state in TOLD_STATES for tick in ticks for state in tick.states.values()),
        run_s=sum(thread.run_s for thread in spent),
        delay_s=sum(thread.delay_s for thread in spent),
        route=joined.route,
        requests="sampled" if joined.request_threads else "none",
    )


class Watched(msgspec.Struct, frozen=True):
    """The readings of the thread states, by process."""

    ticks: Mapping[int, list[Tick]]
    began_s: float
    """Monotonic seconds."""
    seconds: float


class Spent(msgspec.Struct, frozen=True):
    """A thread's CPU time and its time runnable without a CPU, from schedstat."""

    run_s: float
    delay_s: float

    def __sub__(self, earlier: Spent) -> Spent:
        return Spent(self.run_s - earlier.run_s, self.delay_s - earlier.delay_s)


def _chosen(pids: Sequence[int]) -> list[int]:
    """All of a few, else evenly chosen ones."""
    if not pids:
        raise Unavailable("worker processes", "start the service, or name the process that serves the URL")
    step = max(1.0, len(pids) / MOST_PROCESSES)
    return [pids[int(index * step)] for index in range(min(len(pids), MOST_PROCESSES))]


def _started(pids: Sequence[int], seconds: float, cleaning: ExitStack) -> list[Sampler]:
    program = find_py_spy()
    samplers = []
    for pid in pids:
        samplers.append(Sampler(program, pid, RATE_HZ, seconds))
        cleaning.callback(samplers[-1].close)
    return _usable(samplers, [sampler.wait_started() for sampler in samplers])


def _stopped(samplers: Sequence[Sampler]) -> list[Sampler]:
    for sampler in samplers:
        sampler.interrupt()
    return _usable(samplers, [sampler.wait_stopped() for sampler in samplers])


def _usable(samplers: Sequence[Sampler], succeeded: Sequence[bool]) -> list[Sampler]:
    """The samplers that succeeded; raises Unavailable when none did."""
    usable = [sampler for sampler, success in zip(samplers, succeeded, strict=True) if success]
    if usable:
        return usable
    complaint = samplers[0].complaint()
    if "ermission" in complaint or "not permitted" in complaint:
        raise Unavailable(
            "permission to read the workers' memory (ptrace)",
            "run as root, or as the workers' user with ptrace_scope=0; in a container add SYS_PTRACE",
        )
    last_line = complaint.splitlines()[-1] if complaint else "it printed nothing"
    raise Unavailable(f"stacks of the workers: {last_line}", "check that the workers are CPython 3.8 or later")


def _watch(
    samplers: Sequence[Sampler],
    seconds: float,
    threads: ReadsThreads | None,
    collecting: Callable[[int], bool] | None,
    cancel: threading.Event,
) -> Watched:
    """Read the thread states at each reading of the stacks, or at our own pace where these are silent."""
    ticks: dict[int, list[Tick]] = {sampler.pid: [] for sampler in samplers}
    gates = {sampler.ticks: sampler for sampler in samplers if sampler.ticks is not None}
    silent = [sampler for sampler in samplers if not sampler.gated]
    waiting = set(gates)  # a recorder's first announcement is as old as the start of the others
    poller = select.poll()
    for gate in gates:
        poller.register(gate, select.POLLIN)
    began_s = due_s = time.monotonic()
    while time.monotonic() < began_s + seconds and not cancel.is_set():
        timeout_s = min(POLL_S, max(0.0, due_s - time.monotonic())) if silent else POLL_S
        ready = poller.poll(timeout_s * 1000)
        announced = [gate for gate, event in ready if event & select.POLLIN]
        for gate, event in ready:
            if not event & select.POLLIN:  # that recorder has ended
                poller.unregister(gate)
        at_s = time.monotonic()
        looked = [gates[gate] for gate in announced if gate not in waiting]
        if silent and at_s >= due_s:
            looked += silent
            due_s = max(due_s + 1 / RATE_HZ, at_s)
        states = _states(threads) if looked and threads else {}
        for sampler in looked:
            is_collecting = collecting is not None and collecting(sampler.pid)
            ticks[sampler.pid].append(Tick(at_s, states.get(sampler.pid, {}), is_collecting))
        for gate in announced:
            gates[gate].acknowledge(gates[gate].received())
        waiting.difference_update(announced)
    return Watched(ticks, began_s, time.monotonic() - began_s)


def _states(threads: ReadsThreads) -> dict[int, dict[int, str]]:
    found: dict[int, dict[int, str]] = defaultdict(dict)
    for reading in threads.read():
        found[reading.pid][reading.tid] = reading.state
    return found


def _observed(sampler: Sampler, ticks: Sequence[Tick], frames: Frames, seconds: float) -> list[Observation]:
    changes = changes_of(sampler.trace(), frames)
    times = [tick.at_s for tick in ticks]
    offset_s = align(changes, times, sampler.began_s) if sampler.gated else sampler.began_s + LAUNCH_DELAY_S
    timeline = Timeline(changes, offset_s, times if sampler.gated else ())
    return observations_of(sampler.pid, timeline, ticks, seconds, 0.0 if sampler.gated else HALF_LIFE_S)


def _with_calls(frames: Sequence[Frame], samples: Sequence[Sample], sources: Sources) -> tuple[Frame, ...]:
    """The frames, those of the hottest application lines with what they call in C."""
    leaves: dict[int, float] = defaultdict(float)
    for sample in samples:
        if is_application(frames[sample.stack[-1]]):
            leaves[sample.stack[-1]] += sample.seconds
    hottest = sorted(leaves, key=lambda number: (-leaves[number], number))[:MOST_LINES]
    named = list(frames)
    for number in hottest:
        named[number] = msgspec.structs.replace(frames[number], calls=sources.calls(frames[number]))
    return tuple(named)


def _schedstats(pids: Sequence[int]) -> dict[tuple[int, int], Spent]:
    found = {}
    for pid in pids:
        for path in (processes.PROC / str(pid) / "task").glob("*/schedstat"):
            text = processes.read(path)
            if text:
                run_ns, delay_ns, _ = text.split()
                found[pid, int(path.parent.name)] = Spent(int(run_ns) / 1e9, int(delay_ns) / 1e9)
    return found


@contextmanager
def _at_high_priority() -> Iterator[None]:
    """A reader that waits for a core reads the states of another moment than the stacks'."""
    thread = threading.get_native_id()
    with suppress(OSError):  # not allowed here: the readings are then a little late under load
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(READER_PRIORITY))
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
