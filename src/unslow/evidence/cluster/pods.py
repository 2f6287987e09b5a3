"""Pods and their containers: as configured, as running, and what they used."""

from __future__ import annotations

from typing import Literal

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Of one container."""

    cores: float | None = None
    """Mean over the window."""
    cores_max: float | None = None
    """Highest reading over `looked_back_s`."""
    cores_p95: float | None = None
    """Over `looked_back_s`."""
    memory_bytes: int | None = None
    """Working set, latest."""
    memory_max_bytes: int | None = None
    """Highest working set over `looked_back_s`."""
    looked_back_s: float = 0.0
    """How far back the highest readings reach; 0: no history."""
    cfs_periods: int | None = None
    cfs_throttled_periods: int | None = None
    cfs_throttled_s: float | None = None
    cfs_period_s: float = 0.1
    """Of the quota, as the kubelet is configured."""
    cpu_pressure_ratio: float | None = None
    """PSI some: share of the window in which a task waited for a core."""
    memory_pressure_ratio: float | None = None
    major_faults_per_s: float | None = None
    oom_kills: int | None = None
    """Processes that the kernel killed for memory since the container started; it may go on without them."""

    @property
    def throttled_ratio(self) -> float | None:
        """0..1; None when the counters were not read."""
        if self.cfs_periods is None or self.cfs_throttled_periods is None:
            return None
        return self.cfs_throttled_periods / self.cfs_periods if self.cfs_periods else 0.0


class Handler(msgspec.Struct, frozen=True, kw_only=True):
    """A liveness, readiness or startup probe as configured (the API server's defaults filled in)."""

    kind: Literal["liveness", "readiness", "startup"]
    action: str = ""
    """`http /healthz:8000`, `tcp 8000`, `exec`, `grpc 9000`."""
    initial_delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    failure_threshold: int = 3
    success_threshold: int = 1
    failures: int | None = None
    """Failed probes of this container in the window (kubelet's counter) or in `events`; None: not known."""
    message: str = ""
    """The kubelet's words on the last failure."""


class Termination(msgspec.Struct, frozen=True, kw_only=True):
    """How a container's last run ended."""

    reason: str
    """OOMKilled, Error, Completed, ..."""
    exit_code: int
    started_s: float | None = None
    ended_s: float | None = None


class Container(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    image: str = ""
    image_id: str = ""
    """Digest."""
    image_bytes: int | None = None
    """As the node lists it."""
    sidecar: bool = False
    """A mesh proxy or another helper that was injected, not the application."""
    init: bool = False
    ready: bool = False
    state: str = ""
    """running, or the reason that it waits or ended: CrashLoopBackOff, ImagePullBackOff, ..."""
    started_s: float | None = None
    restarts: int = 0
    restarts_in_window: int | None = None
    last_termination: Termination | None = None
    cpu_request_cores: float | None = None
    cpu_limit_cores: float | None = None
    memory_request_bytes: int | None = None
    memory_limit_bytes: int | None = None
    usage: Usage | None = None
    probes: tuple[Handler, ...] = ()


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """How a pod came up; each duration in seconds, None when its events are gone."""

    scheduling_s: float | None = None
    """Created until a node was chosen."""
    pull_s: float | None = None
    """All images together; 0: they were on the node already."""
    pulled_bytes: int | None = None
    init_s: float | None = None
    """Init containers."""
    starting_s: float | None = None
    """Application container started until the pod was ready: imports, warm-up and the probe's own delays."""


class RouteLatency(msgspec.Struct, frozen=True, kw_only=True):
    """Of one kind of request."""

    route: str
    """Its method and route, as the timer's labels have them."""
    requests: float
    mean_s: float


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Of the requests that one pod served in the window, from its own timer or the mesh's."""

    requests: float
    mean_s: float
    p99_s: float | None = None
    requests_per_s: float | None = None
    routes: tuple[RouteLatency, ...] = ()
    """Those that were asked for; none: the timer tells them not apart."""


class Pod(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    namespace: str
    node: str = ""
    """Empty: not scheduled."""
    zone: str = ""
    version: str = ""
    """Pod template hash, or the application's version label."""
    phase: str = "Running"
    ready: bool = False
    ready_since_s: float | None = None
    terminating: bool = False
    qos: Literal["Guaranteed", "Burstable", "BestEffort", ""] = ""
    created_s: float | None = None
    unschedulable: str = ""
    """The scheduler's own words, when it found no node."""
    host_network: bool = False
    containers: tuple[Container, ...] = ()
    start: Start | None = None
    latency: Latency | None = None
    open_connections: float | None = None
    """Mean number of established connections to the pod's serving port."""

    @property
    def application(self) -> tuple[Container, ...]:
        """Its containers without sidecars and init containers."""
        return tuple(one for one in self.containers if not one.sidecar and not one.init)


class Pods(msgspec.Struct, frozen=True, kw_only=True):
    """The pods of the workload."""

    pods: tuple[Pod, ...]
    looked_into: str = ""
    """The pod whose requests, sockets, threads and profile the other sections hold; empty: they are of all pods."""

    @property
    def live(self) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.pods if not pod.terminating and pod.phase in {"Running", "Pending"})
