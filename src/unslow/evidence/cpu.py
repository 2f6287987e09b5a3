"""CPU and memory of the target's processes, their cgroup, and the machine."""

from __future__ import annotations

import msgspec


class Cpu(msgspec.Struct, frozen=True, kw_only=True):
    """Differences over the latency window unless said otherwise."""

    seconds: float
    used_cores: float
    """All worker processes together."""
    request_run_s: float
    """On-CPU seconds of request threads, from schedstat."""
    request_delay_s: float
    """Seconds that request threads were runnable and not running; throttled time is inside."""
    request_threads: int
    busy_mean: float | None = None
    """Mean number of request threads not in their idle wait: in-app concurrency without a profiler."""
    gil_wait_mean: float | None = None
    """Mean number of request threads waiting for the interpreter lock (futex inside libpython)."""
    limit_cores: float | None = None
    """cgroup quota; None: no limit."""
    periods: int = 0
    throttled_periods: int = 0
    throttled_s: float = 0.0
    lifetime_cores: float | None = None
    """Mean cores used by the same workers from their start to the start of the window."""
    lifetime_s: float | None = None
    machine_cores: int
    machine_busy_ratio: float
    steal_ratio: float = 0.0
    pressure_some_ratio: float | None = None
    run_queue_mean: float | None = None
    voluntary_switches_per_s: float = 0.0
    involuntary_switches_per_s: float = 0.0

    @property
    def throttled_ratio(self) -> float:
        return self.throttled_periods / self.periods if self.periods else 0.0


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    rss_bytes: int
    limit_bytes: int | None = None
    used_bytes: int | None = None
    """Of the cgroup."""
    major_faults_per_s: float = 0.0
    swap_bytes: int = 0
    pressure_some_ratio: float | None = None
    gc_ratio: float | None = None
    """Share of time in which a worker's interpreter was collecting garbage; None when it could not be read."""
    gc_readings: int = 0
    gc_full_collections_per_s: float | None = None
    gc_tracked_objects: int | None = None
