"""The load test: a fixed rate for a fixed time, open loop, within limits that nothing can raise."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from unslow.http_request import HttpRequest
from unslow.verify.generator import Generator, poisson, uniform
from unslow.verify.histogram import Histogram
from unslow.verify.load_result import Lateness, LoadResult, Second, judge
from unslow.verify.plan import MOST_CONNECTIONS, Arrivals, Plan, checked
from unslow.verify.precise_loop import precise_loop
from unslow.verify.targets import Address, resolve

MOST_BYTES = 20 * 1024**3
"""Received in one test."""
SPARE_DESCRIPTORS = 64
RATIOS = (0.5, 0.9, 0.95, 0.99, 0.999)
BLOCKS = 100
"""Time is cut into at most this many blocks, of a second or more, for the percentiles' intervals."""
GUARD_RATIO = 0.5
"""More errors than this among the latest answers end the test: what is broken is not to be loaded further."""
GUARD_ANSWERS = 20
FEW_IN_FLIGHT = 5
"""A rise by so few between the middle and the end is chance, not a backlog."""
WATCH_S = 0.1
"""How often the guard, the caller's wish to stop and our parent process are looked at."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a running test, once a second."""

    elapsed_s: float
    due: int
    answered: int
    failed: int
    in_flight: int
    p99_s: float | None
    """Of the last whole block of time."""


def loadtest(
    url: str,
    rate: float,
    duration_s: float,
    *,
    arrivals: Arrivals = "uniform",
    timeout_s: float = 10.0,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
    body: bytes = b"",
    allow_hosts: tuple[str, ...] = (),
    connections: int = MOST_CONNECTIONS,
    progress: Callable[[str], None] = lambda text: None,
) -> LoadResult:
    """Load `url` with `rate` requests a second; Ctrl-C ends it early with the result so far.

    Raises `BadUsage` for a plan beyond the limits or a host outside, `CannotLook` when nobody listens.
    """
    from unslow.verify.report_load import progress_line

    plan = Plan(
        url=url,
        rate_per_s=rate,
        duration_s=duration_s,
        arrivals=arrivals,
        timeout_s=timeout_s,
        headers=headers or {},
        method=method,
        body=body,
        allow_hosts=allow_hosts,
        connections=connections,
    )
    result = run(plan, progress=lambda state: progress(progress_line(plan, state)))
    progress("")
    return result


def run(
    plan: Plan,
    *,
    progress: Callable[[Progress], None] = lambda state: None,
    cancel: threading.Event | None = None,
) -> LoadResult:
    """Carry out a plan; blocks until it is done, `cancel` is set or, in the main thread, Ctrl-C is pressed.

    Raises as `loadtest` does.
    """
    request = checked(plan)
    address = resolve(request, plan.allow_hosts)
    loop = precise_loop()
    # What is alive now will stay alive: the collector need not walk it during the test.
    gc.freeze()
    try:
        return loop.run_until_complete(_Test(plan, request, address, loop, progress, cancel).result())
    finally:
        gc.unfreeze()
        loop.close()


class _Test:
    """One run: the generator, and the watch over it."""

    def __init__(
        self,
        plan: Plan,
        request: HttpRequest,
        address: Address,
        loop: asyncio.AbstractEventLoop,
        progress: Callable[[Progress], None],
        cancel: threading.Event | None,
    ) -> None:
        self._plan, self._request, self._loop = plan, request, loop
        self._progress, self._cancel = progress, cancel
        self._block_s = max(1.0, plan.duration_s / BLOCKS)
        self._generator = Generator(
            loop,
            request,
            address,
            _arrivals(plan),
            timeout_s=plan.timeout_s,
            connections=min(plan.connections, _descriptors()),
            block_s=self._block_s,
            blocks=int(plan.duration_s / self._block_s) or 1,
        )
        self._parent = os.getppid()
        self._stopped = ""
        self._guarded = (0, 0)
        self._half: tuple[int, int] | None = None
        self._end: tuple[int, int] | None = None

    async def result(self) -> LoadResult:
        started, cpu_s, clock_s = datetime.now(UTC), time.process_time(), time.monotonic()
        watch = self._loop.create_task(self._watch())
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._loop.add_signal_handler(number, self._stop, "interrupted")
        try:
            self._generator.start()
            await self._generator.finished.wait()
        finally:
            watch.cancel()
            if in_main_thread:
                for number in (signal.SIGINT, signal.SIGTERM):
                    self._loop.remove_signal_handler(number)
        with suppress(asyncio.CancelledError):
            await watch
        used = (time.process_time() - cpu_s) / max(time.monotonic() - clock_s, 1e-9)
        await asyncio.sleep(0)  # lets aborted connections close
        return self._summed(started, used)

    def _stop(self, why: str) -> None:
        if not self._generator.finished.is_set():
            self._stopped = self._stopped or why
            self._generator.stop()

    async def _watch(self) -> None:
        generator, plan = self._generator, self._plan
        next_report_s = 1.0
        while True:
            await asyncio.sleep(WATCH_S)
            elapsed_s = self._loop.time() - generator.start_s
            if elapsed_s >= plan.duration_s / 2 and self._half is None:
                self._half = (generator.due, generator.in_flight)
            if not generator.is_sending and self._end is None:
                self._end = (generator.due, generator.in_flight)
            if elapsed_s >= next_report_s:
                next_report_s += 1.0
                self._report(elapsed_s)
            why = self._reason_to_stop()
            if why:
                self._stop(why)

    def _reason_to_stop(self) -> str:
        if self._cancel is not None and self._cancel.is_set():
            return "cancelled"
        if os.getppid() != self._parent:
            return "the process that started it is gone"
        if self._generator.received_bytes > MOST_BYTES:
            return f"more than {MOST_BYTES >> 30} GiB received"
        finished, failed = self._counted()
        answers, errors = finished - self._guarded[0], failed - self._guarded[1]
        if answers < GUARD_ANSWERS:
            return ""
        self._guarded = (finished, failed)
        return f"{errors} of the latest {answers} answers were errors" if errors > GUARD_RATIO * answers else ""

    def _counted(self) -> tuple[int, int]:
        """Requests that came to an end, and those of them that were errors."""
        generator = self._generator
        failures = generator.failures.total()
        refused = sum(count for status, count in generator.statuses.items() if status >= 400)
        return generator.statuses.total() + failures, refused + failures

    def _report(self, elapsed_s: float) -> None:
        finished, failed = self._counted()
        block = int(max(0.0, elapsed_s - 1.0) / self._block_s)
        self._progress(
            Progress(
                elapsed_s=elapsed_s,
                due=self._generator.due,
                answered=finished - failed,
                failed=failed,
                in_flight=self._generator.in_flight,
                p99_s=self._generator.answers.block_quantile_s(block, 0.99),
            )
        )

    def _summed(self, started: datetime, used: float) -> LoadResult:
        plan, generator = self._plan, self._generator
        answers = generator.answers
        errors = dict(generator.failures)
        errors |= {f"status {status}": count for status, count in generator.statuses.items() if status >= 400}
        result = LoadResult(
            url=self._request.url,
            method=plan.method,
            arrivals=plan.arrivals,
            started=started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            asked_per_s=plan.rate_per_s,
            achieved_per_s=generator.achieved_per_s,
            planned_s=plan.duration_s,
            timeout_s=plan.timeout_s,
            due=generator.due,
            n=answers.n,
            mean_s=answers.mean_s,
            max_s=answers.max_s,
            percentiles=tuple(one for one in map(answers.quantile, RATIOS) if one is not None),
            statuses=tuple(sorted(generator.statuses.items())),
            errors=tuple(sorted(errors.items())),
            unfinished=generator.unfinished,
            lateness=_lateness(generator.lateness),
            connections_opened=generator.opened,
            connections_at_once=generator.most_open,
            reconnects=generator.reconnects,
            held_back=generator.held_back,
            received_bytes=generator.received_bytes,
            own_cpu_ratio=used,
            blocks=_blocks(answers, self._block_s),
            stopped=self._stopped,
            verdict="no verdict",
            because="",
        )
        verdict, because = judge(result, self._completed_ratio())
        return msgspec.structs.replace(result, verdict=verdict, because=because)

    def _completed_ratio(self) -> float:
        """Completed in the second half of the test, of what came due in it."""
        if self._half is None or self._end is None:
            return 1.0
        due = self._end[0] - self._half[0]
        grown = self._end[1] - self._half[1]
        return 1.0 - grown / due if due and grown > FEW_IN_FLIGHT else 1.0


def _arrivals(plan: Plan) -> Iterator[float]:
    if plan.arrivals == "poisson":
        return poisson(plan.rate_per_s, plan.duration_s, random.Random(plan.seed).expovariate)  # noqa: S311
    return uniform(plan.rate_per_s, plan.duration_s)


def _descriptors() -> int:
    """Connections that the limit on open files leaves room for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(1, soft - SPARE_DESCRIPTORS)


def _lateness(lateness: Histogram) -> Lateness:
    p50, p99 = lateness.quantile(0.5), lateness.quantile(0.99)
    return Lateness(p50_s=p50.value_s if p50 else None, p99_s=p99.value_s if p99 else None, max_s=lateness.max_s)


def _blocks(answers: Histogram, block_s: float) -> tuple[Second, ...]:
    return tuple(
        Second(
            at_s=number * block_s,
            p50_s=answers.block_quantile_s(number, 0.5),
            p99_s=answers.block_quantile_s(number, 0.99),
        )
        for number in range(answers.blocks)
    )
