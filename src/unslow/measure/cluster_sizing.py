"""What a container should reserve, from what it used; the formula and its inputs go with every number."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from unslow.evidence.cluster import Container, Pod

CPU_HEADROOM = 1.15
"""Over the 95th percentile of use."""
MEMORY_HEADROOM = 1.2
"""Over the highest working set: memory, unlike CPU, cannot be shared for a moment."""
ENOUGH_S = 3600.0
"""A shorter history says nothing about the next hour."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """Of one container of a workload, over all its pods."""

    container: str
    cpu_cores: float | None
    memory_bytes: int | None
    formula: str


class Reserved(msgspec.Struct, frozen=True, kw_only=True):
    """What a container of the workload asks for and what its busiest pod uses."""

    container: str
    cpu_request_cores: float | None
    cpu_limit_cores: float | None
    cpu_used_cores: float | None
    memory_request_bytes: int | None
    memory_limit_bytes: int | None
    memory_used_bytes: int | None


def reserved(pods: Iterable[Pod]) -> tuple[Reserved, ...]:
    """One entry per application container's name; uses are those of the busiest pod in the window."""
    by_name: dict[str, list[Container]] = {}
    for pod in pods:
        for one in pod.application:
            by_name.setdefault(one.name, []).append(one)
    return tuple(_reserved(name, same) for name, same in sorted(by_name.items()))


def _reserved(name: str, same: list[Container]) -> Reserved:
    first = same[0]
    return Reserved(
        container=name,
        cpu_request_cores=first.cpu_request_cores,
        cpu_limit_cores=first.cpu_limit_cores,
        cpu_used_cores=max((c.usage.cores for c in same if c.usage and c.usage.cores is not None), default=None),
        memory_request_bytes=first.memory_request_bytes,
        memory_limit_bytes=first.memory_limit_bytes,
        memory_used_bytes=max(
            (c.usage.memory_bytes for c in same if c.usage and c.usage.memory_bytes is not None), default=None
        ),
    )


def right_sizes(pods: Iterable[Pod]) -> tuple[Size, ...]:
    """Requests that history asks for; containers without an hour of it are left out."""
    by_name: dict[str, list[Container]] = {}
    for pod in pods:
        for one in pod.application:
            if one.usage and one.usage.looked_back_s >= ENOUGH_S:
                by_name.setdefault(one.name, []).append(one)
    return tuple(_size(name, same) for name, same in sorted(by_name.items()))


def _size(name: str, same: list[Container]) -> Size:
    usages = [one.usage for one in same if one.usage]
    cores = max((usage.cores_p95 for usage in usages if usage.cores_p95 is not None), default=None)
    held = max((usage.memory_max_bytes for usage in usages if usage.memory_max_bytes is not None), default=None)
    hours = min(usage.looked_back_s for usage in usages) / 3600
    parts = []
    if cores is not None:
        parts.append(f"CPU {CPU_HEADROOM} x p95 of {cores:.3f} cores")
    if held is not None:
        parts.append(f"memory {MEMORY_HEADROOM} x highest {mib(held)}")
    return Size(
        container=name,
        cpu_cores=None if cores is None else cores * CPU_HEADROOM,
        memory_bytes=None if held is None else round(held * MEMORY_HEADROOM),
        formula=f"{', '.join(parts)}, over {hours:.0f} h of {len(usages)} pods",
    )


def mib(number: float) -> str:
    """`512 MiB`."""
    return f"{number / 2**20:.0f} MiB"


def millicores(cores: float) -> str:
    """`250m`."""
    return f"{cores * 1e3:.0f}m"
