"""CPU quotas and waiting for cores, from the counters of the pods' containers."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from unslow.evidence.cluster import Container, Pod, Usage

LEAST_PERIODS = 20
"""Two seconds of them."""


class Throttling(msgspec.Struct, frozen=True, kw_only=True):
    """Of one container."""

    pod: str
    container: str
    sidecar: bool
    limit_cores: float | None
    used_cores: float | None
    periods: int
    throttled_periods: int

    @property
    def ratio(self) -> float:
        return self.throttled_periods / self.periods if self.periods else 0.0

    @property
    def words(self) -> str:
        used = (
            f" at {self.used_cores:.2f} of {self.limit_cores:.2f} cores" if self.used_cores and self.limit_cores else ""
        )
        return f"{self.pod} ({self.container}): {self.throttled_periods} of {self.periods} periods throttled{used}"


def throttling(pods: Iterable[Pod]) -> tuple[Throttling, ...]:
    """Running containers with a quota whose periods were counted, most throttled first."""
    found = [
        _throttling(pod, one)
        for pod in pods
        for one in pod.containers
        if not one.init and one.usage and (one.usage.cfs_periods or 0) >= LEAST_PERIODS
    ]
    return tuple(sorted(found, key=lambda one: (-one.ratio, one.pod, one.container)))


def _throttling(pod: Pod, one: Container) -> Throttling:
    usage = one.usage or Usage()
    return Throttling(
        pod=pod.name,
        container=one.name,
        sidecar=one.sidecar,
        limit_cores=one.cpu_limit_cores,
        used_cores=usage.cores,
        periods=usage.cfs_periods or 0,
        throttled_periods=usage.cfs_throttled_periods or 0,
    )


def stopped_ratio(pod: Pod, seconds: float) -> float:
    """Share of the window in which the pod's application stood still for its quota, 0..1.

    The kernel adds the stops of several CPUs up, so this may be too much; it is never more than the share of
    periods with a stop.
    """
    return max((_stopped(one.usage, seconds) for one in pod.application if one.usage), default=0.0)


def _stopped(usage: Usage, seconds: float) -> float:
    stops = (usage.cfs_throttled_s or 0.0) / seconds if seconds > 0 else 0.0
    return min(stops, usage.throttled_ratio or 0.0, 1.0)


def waiting_ratio(pod: Pod, seconds: float) -> float:
    """Share of the window in which a task of the application waited for a core, beyond its own quota, 0..1.

    Pressure (PSI) counts waiting for the quota too; that is taken out.
    """
    pressed = max((one.usage.cpu_pressure_ratio or 0.0 for one in pod.application if one.usage), default=0.0)
    return max(0.0, min(1.0, pressed) - stopped_ratio(pod, seconds))
