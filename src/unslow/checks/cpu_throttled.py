"""The container uses up its CPU quota, then waits for the next period.

Signature   throttled periods in the cgroup, and request threads that are runnable without running
Look-alike  gil_contention: same slow tail, but no throttled period; a busy machine: delay without throttling
Blind to    bursts shorter than the window; a quota on a parent that the process cannot see
Reference   USE method: CPU saturation; kernel documentation, CFS bandwidth control
"""

from __future__ import annotations

from unslow.evidence.cpu import Cpu
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.in_app import THROTTLED_RATIO
from unslow.measure.significance import claim, is_excess, ms, total


def check(cpu: Cpu, account: Account) -> Finding | Clear:
    if cpu.limit_cores is None:
        return Clear("no CPU limit is set")
    measured = (
        f"{cpu.throttled_periods} of {cpu.periods} periods throttled at {cpu.used_cores:.2f} of "
        f"{cpu.limit_cores:.2f} cores"
    )
    if cpu.throttled_ratio < THROTTLED_RATIO:
        return Clear(measured)
    # A thread that is throttled while it holds the interpreter lock makes the others wait for the lock.
    lines = account.of_kind("cpu throttled", "gil")
    if not is_excess(account, lines, normal=False):
        return Clear(f"{measured}; requests wait {ms(total(lines))} for it")
    return Finding(
        title="the CPU quota throttles the workers",
        because=f"{measured}; each request waits {ms(total(lines))} for CPU time",
        place=f"CPU limit of {cpu.limit_cores:.2f} cores",
        claims=claim(account, lines),
        confidence=0.95,
        next_steps=(
            f"raise the CPU limit above {cpu.used_cores / max(0.05, 1 - cpu.throttled_ratio):.1f} cores, or remove it and keep the request",
            "then compare throttled periods: cat cpu.stat in the workers' cgroup",
        ),
        fixes=("raise_cpu_limit",),
        evidence=("cpu.throttled",),
    )
