"""CPU quotas and waiting for cores, from the counters of the pods' containers."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from unslow.evidence.cluster import Container, Endpoint, Pod, Services, Usage
from unslow.measure.without_stacks import THROTTLED_RATIO

LEAST_PERIODS = 20
"""Two seconds of them."""
SEVERE_RATIO = 0.25
"""One period in four: worth saying even where nobody measured what requests lose."""
STANDS_STILL = 0.25
"""Of the time with work."""


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


def stopped_behind(services: Services | None, names: Collection[str]) -> Endpoint | None:
    """Of the pods behind the called services with these names, the one that its quota stops most; None: none badly."""
    called = [one for one in services.services if one.role == "dependency" and one.name in names] if services else []
    counted = [endpoint for service in called for endpoint in service.endpoints if not endpoint.terminating]
    worst = max(counted, key=lambda one: one.throttled_ratio or 0.0, default=None)
    return worst if worst is not None and (worst.throttled_ratio or 0.0) >= SEVERE_RATIO else None


def stops(one: Endpoint) -> str:
    """In words."""
    return f"{one.pod} behind it is stopped by its CPU limit in {one.throttled_ratio or 0.0:.0%} of its periods"


def free_it(one: Endpoint) -> str:
    """The next step."""
    return f"raise the CPU limit of container {one.throttled_container} in {one.pod}, or remove it and keep the request"


def stopped_ratio(pod: Pod) -> float:
    """Share of the time in which the pod's application had work and stood still for its quota, 0..1.

    Periods count only while there is something to run, as requests do. The kernel adds the stops of several
    CPUs up, so this may be too much; it is never more than the share of periods with a stop.
    """
    return max((_stopped(one.usage) for one in pod.application if one.usage), default=0.0)


def stand_still_alone(slow: Collection[str], pods: Iterable[Pod]) -> bool:
    """Whether the pods named `slow` stand still for their quota, each for a good part of the time, and no other does.

    Then the quota is what makes them slow: who comes while a pod stands still waits longer than the stop, in a queue.
    """
    stands = {pod.name: stopped_ratio(pod) >= STANDS_STILL for pod in pods}
    return bool(slow) and all(stands.get(name, False) == (name in slow) for name in {*stands, *slow})


def _stopped(usage: Usage) -> float:
    if not usage.cfs_periods or usage.cfs_periods < LEAST_PERIODS:
        return 0.0
    stops = (usage.cfs_throttled_s or 0.0) / (usage.cfs_periods * usage.cfs_period_s)
    return min(stops, usage.throttled_ratio or 0.0, 1.0)


def waiting_ratio(pod: Pod) -> float:
    """Share of the time in which a task of the application waited for a core for another reason than its quota, 0..1.

    Pressure (PSI) counts waiting for the quota too, and cannot be told apart: a throttled pod has none.
    """
    usages = [one.usage for one in pod.application if one.usage]
    if any((usage.throttled_ratio or 0.0) >= THROTTLED_RATIO for usage in usages):
        return 0.0
    return min(1.0, max((usage.cpu_pressure_ratio or 0.0 for usage in usages), default=0.0))
