"""Memory runs short: the container is at its limit, was killed for it, or its node reclaims.

Signature   working set near the limit with page faults or pressure; OOMKilled; the node's MemoryPressure
Look-alike  a full page cache near the limit (no faults, no pressure); gc_pauses: the interpreter collects, memory is there
Blind to    a leak that has not reached the limit yet
Reference   USE method: memory saturation; cgroup memory.pressure, memory.events
"""

from __future__ import annotations

from unslow.evidence.cluster import Container, Nodes, Pods
from unslow.evidence.cpu import Memory
from unslow.evidence.window import Window
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.cluster_nodes import of_target
from unslow.measure.cluster_sizing import mib

NEAR = 0.9
"""Of the limit."""
PRESSURE = 0.1
"""PSI: a task waited for memory a tenth of the time."""
FAULTS_PER_S = 50.0
"""Major faults: each waits for the disk."""
RECENT_S = 3600.0


def check(
    window: Window, memory: Memory | None = None, pods: Pods | None = None, nodes: Nodes | None = None
) -> Finding | Clear | Skipped:
    signs = [*_killed(window, pods), *_reclaiming(memory, pods), *_short(nodes)]
    if signs:
        return Finding(
            title="memory runs short",
            because=f"{'; '.join(signs)}: threads wait while pages are reclaimed and read again",
            place=_place(pods, memory),
            confidence=0.55,
            next_steps=(
                "raise the memory limit above the highest working set, or find what grows: kubectl top pods --containers",
                "compare memory.events and memory.pressure in the container's cgroup before and after",
            ),
            fixes=("raise_memory_limit",),
            evidence=("pods",) if pods else (),
        )
    if memory is None and pods is None:
        return Skipped("memory")
    return Clear(_held(memory, pods))


def _killed(window: Window, pods: Pods | None) -> list[str]:
    words = []
    for pod in pods.pods if pods else ():
        for one in pod.application:
            if one.usage and one.usage.oom_kills:
                words.append(
                    f"{pod.name} ({one.name}): the kernel killed {one.usage.oom_kills} of its processes at the limit"
                    f"{_limit(one)}, and the container went on"
                )
            ended = one.last_termination
            if ended is None or ended.reason != "OOMKilled":
                continue
            if ended.ended_s is None or ended.ended_s >= window.start_s - RECENT_S:
                words.append(f"{pod.name} ({one.name}) was killed at its limit{_limit(one)}, {one.restarts} restarts")
    return words


def _limit(one: Container) -> str:
    return f" of {mib(one.memory_limit_bytes)}" if one.memory_limit_bytes else ""


def _reclaiming(memory: Memory | None, pods: Pods | None) -> list[str]:
    words = []
    if memory and _is_reclaiming(
        memory.used_bytes, memory.limit_bytes, memory.pressure_some_ratio, memory.major_faults_per_s
    ):
        words.append(
            f"{mib(memory.used_bytes or 0)} of {mib(memory.limit_bytes or 0)} used, {memory.major_faults_per_s:.0f} major faults/s"
        )
    for pod in pods.pods if pods else ():
        for one in pod.application:
            use = one.usage
            if use and _is_reclaiming(
                use.memory_bytes, one.memory_limit_bytes, use.memory_pressure_ratio, use.major_faults_per_s
            ):
                words.append(f"{pod.name} ({one.name}) holds {mib(use.memory_bytes or 0)}{_limit(one)}")
    return words


def _is_reclaiming(used: int | None, limit: int | None, pressure: float | None, faults: float | None) -> bool:
    """Near the limit alone is no sign: the page cache fills what there is."""
    near = bool(limit) and used is not None and used >= NEAR * (limit or 0)
    return near and ((pressure or 0.0) >= PRESSURE or (faults or 0.0) >= FAULTS_PER_S)


def _short(nodes: Nodes | None) -> list[str]:
    return [
        f"1 node, {node.name}, has MemoryPressure"
        for node in (of_target(nodes) if nodes else ())
        for one in node.conditions
        if one.type == "MemoryPressure" and one.status == "True"
    ]


def _place(pods: Pods | None, memory: Memory | None) -> str:
    return "the pods' memory" if pods else "the workers' memory" if memory else "the nodes' memory"


def _held(memory: Memory | None, pods: Pods | None) -> str:
    if pods:
        held = [one.usage.memory_bytes for pod in pods.pods for one in pod.application if one.usage]
        most = max((value for value in held if value is not None), default=None)
        known = f"the largest container holds {mib(most)}" if most is not None else "how much they hold is not known"
        return f"no container of {len(pods.pods)} pods was killed at its limit; {known}"
    return f"{mib(memory.rss_bytes)} resident" if memory else ""
