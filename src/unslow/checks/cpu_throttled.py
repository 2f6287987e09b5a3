"""The container uses up its CPU quota, then waits for the next period.

Signature   throttled periods in the cgroup, and request threads that are runnable without running
Look-alike  gil_contention: same slow tail, but no throttled period; a busy machine: delay without throttling
Blind to    bursts shorter than the window; a quota on a parent that the process cannot see
Reference   USE method: CPU saturation; kernel documentation, CFS bandwidth control
"""

from __future__ import annotations

from collections.abc import Sequence

from unslow.evidence.cluster import Pods
from unslow.evidence.cpu import Cpu
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account, Line
from unslow.measure.cluster_claims import is_dark
from unslow.measure.cluster_cpu import SEVERE_RATIO, Throttling, stand_still_alone, throttling
from unslow.measure.cluster_pods import outlier
from unslow.measure.significance import claim, is_excess, ms, total
from unslow.measure.without_stacks import THROTTLED_RATIO, quota_holds_lock

AT_LIMIT = 0.9
"""Average use over the limit, above which there is no room left for a burst."""


def check(
    account: Account | None = None, cpu: Cpu | None = None, pods: Pods | None = None
) -> Finding | Clear | Skipped:
    if pods is not None and (counted := throttling(pods.live)):
        return _in_pods(counted, pods, account, cpu)
    if pods is not None and cpu is None:
        return _without_counters(pods)
    if cpu is None:
        return Skipped("cpu")
    return _in_workers(cpu, account) if account else Skipped("account")


def _in_workers(cpu: Cpu, account: Account) -> Finding | Clear:
    if cpu.limit_cores is None:
        return Clear("no CPU limit is set")
    measured = (
        f"{cpu.throttled_periods} of {cpu.periods} periods throttled at {cpu.used_cores:.2f} of "
        f"{cpu.limit_cores:.2f} cores"
    )
    if cpu.throttled_ratio < THROTTLED_RATIO:
        return Clear(measured)
    lines = _waiting(account, cpu)
    counts = is_excess(account, lines, normal=False)
    if not counts and (cpu.throttled_ratio < SEVERE_RATIO or not is_dark(account)):
        return Clear(f"{measured}; requests wait {ms(total(lines))} for it")
    return Finding(
        title="the CPU quota throttles the workers",
        because=f"{measured}; {_lost(lines, counts)}",
        place=f"CPU limit of {cpu.limit_cores:.2f} cores",
        claims=claim(account, lines) if counts else (),
        confidence=0.95 if counts else 0.65,
        next_steps=(
            f"raise the CPU limit above {cpu.used_cores / max(0.05, 1 - cpu.throttled_ratio):.1f} cores, or remove it and keep the request",
            "then compare throttled periods: cat cpu.stat in the workers' cgroup",
        ),
        fixes=("raise_cpu_limit",),
        evidence=("cpu.throttled",),
    )


def _waiting(account: Account | None, cpu: Cpu | None) -> tuple[Line, ...]:
    """A thread that is throttled while it holds the interpreter lock makes the others wait for the lock."""
    if account is None:
        return ()
    return account.of_kind("cpu throttled", *(("gil",) if quota_holds_lock(cpu) else ()))


def _in_pods(counted: tuple[Throttling, ...], pods: Pods, account: Account | None, cpu: Cpu | None) -> Finding | Clear:
    hit = [one for one in counted if one.ratio >= THROTTLED_RATIO and not one.sidecar]
    if not hit:
        return Clear(counted[0].words)
    worst = hit[0]
    measured = f"{worst.words}; {len({one.pod for one in hit})} of {len(pods.live)} pods are throttled"
    lines = (*_waiting(account, cpu), *_slow_for_it(account, pods))
    counts = account is not None and is_excess(account, lines, normal=False)
    if not counts and (worst.ratio < SEVERE_RATIO or not is_dark(account)):
        return Clear(f"{measured}; requests wait {ms(total(lines))} for it")
    needed = (worst.used_cores or 0.0) / max(0.05, 1 - worst.ratio)
    return Finding(
        title="the CPU limit throttles the pods",
        because=f"{measured}; {_lost(lines, counts)}",
        place=f"CPU limit of container {worst.container}",
        claims=claim(account, lines) if account and counts else (),
        confidence=0.95 if counts else 0.65,
        next_steps=(
            f"raise the CPU limit of {worst.container} above {needed:.1f} cores, or remove it and keep the request",
            "then compare throttled periods, not average use: container_cpu_cfs_throttled_periods_total",
        ),
        fixes=("raise_cpu_limit",),
        evidence=("pods",),
    )


def _slow_for_it(account: Account | None, pods: Pods) -> tuple[Line, ...]:
    """What a pod is slower than its twins, when it alone stands still for its quota."""
    slow = outlier(pods.live)
    if account is None or slow is None or not stand_still_alone(slow.pods, pods.live):
        return ()
    return account.of_kind("slow pod")


def _lost(lines: Sequence[Line], counts: bool) -> str:
    if counts:
        return f"each request waits {ms(total(lines))} for CPU time"
    return "what requests lose to it was not measured"


def _without_counters(pods: Pods) -> Finding | Clear | Skipped:
    """Use that stands at the limit tells of throttling too; use below it tells nothing."""
    limited = [(pod, one) for pod in pods.live for one in pod.application if one.cpu_limit_cores]
    for pod, one in limited:
        used, limit = (one.usage.cores if one.usage else None) or 0.0, one.cpu_limit_cores or 0.0
        if used >= AT_LIMIT * limit:
            return Finding(
                title="the pods use all of their CPU limit",
                because=f"{pod.name} ({one.name}) uses {used:.3f} of {limit:.3f} cores on average: "
                "it is throttled, and its throttled periods were not read",
                place=f"CPU limit of container {one.name}",
                confidence=0.62,
                next_steps=(
                    f"raise the CPU limit of {one.name}, or remove it and keep the request; then count "
                    "container_cpu_cfs_throttled_periods_total",
                ),
                fixes=("raise_cpu_limit",),
                evidence=("pods",),
            )
    return Skipped("throttling") if limited else Clear(f"no CPU limit is set in {len(pods.live)} pods")
