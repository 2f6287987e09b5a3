"""What the steps share: the client, the evidence, the diagnosis, what was allowed, and who cleans up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from unslow.collect.prom_login import Login
from unslow.diagnosis import Diagnosis
from unslow.evidence import Evidence
from unslow.evidence.cluster import Cluster, Endpoint, Pod, Service
from unslow.kube.access import Permission, may
from unslow.kube.client import Client
from unslow.runbook.keeper import Keeper
from unslow.runbook.step import Gap

PROBE_IMAGE = "unslow/probe:1"


@dataclass(kw_only=True)
class Options:
    allow: frozenset[str] = frozenset()
    use_exec: bool = True
    prometheus: str = ""
    """Its address; empty: looked for in the cluster."""
    prometheus_login: Login = field(default_factory=Login)
    loki: str = ""
    """As Prometheus'."""
    loki_login: Login = field(default_factory=Login)
    probe_image: str = PROBE_IMAGE
    load_image: str = "fortio/fortio:latest"
    load_rate: float = 20.0
    load_s: int = 20
    load_path: str = "/"
    capture_s: int = 10
    trace_s: int = 20
    trace_annotation: str = "debug.trace/enabled"


@dataclass(kw_only=True)
class Situation:
    client: Client
    namespace: str
    name: str
    kind: str
    evidence: Evidence
    diagnosis: Diagnosis
    options: Options
    keeper: Keeper
    deadline: float
    """Monotonic seconds."""
    progress: Callable[[str], None]
    _permissions: dict[Permission, bool] = field(default_factory=dict)

    @property
    def cluster(self) -> Cluster:
        return self.evidence.cluster or Cluster()

    @property
    def workload(self) -> str:
        """As kubectl wants it: `deployment/NAME`."""
        return f"{self.kind.lower()}/{self.name}"

    def left_s(self, at_most: float) -> float:
        return max(0.5, min(at_most, self.deadline - time.monotonic()))

    def may(self, verb: str, resource: str, subresource: str = "", group: str = "") -> bool:
        """Asked once; nothing is tried that would be refused."""
        wanted = Permission(verb, resource, group, subresource, self.namespace)
        if wanted not in self._permissions:
            self._permissions[wanted] = may(self.client, wanted)
        return self._permissions[wanted]

    def refused(self, verb: str, resource: str, subresource: str = "", group: str = "") -> Gap | None:
        """The gap, when we may not."""
        if self.may(verb, resource, subresource, group):
            return None
        wanted = Permission(verb, resource, group, subresource, self.namespace)
        role = (
            "deploy/rbac/probe.yaml" if resource in {"pods", "services"} and subresource else "deploy/rbac/change.yaml"
        )
        return Gap(f"the right to {wanted}", f"kubectl apply -n {self.namespace} -f {role}, and use that identity")

    def gaps(self, *sections: str) -> tuple[Gap, ...]:
        """What the collectors of these sections were missing."""
        seen: dict[str, Gap] = {}
        for probe in self.evidence.probes:
            if probe.name in sections and probe.result != "ok":
                seen.setdefault(probe.missing, Gap(probe.missing, probe.remedy))
        return tuple(seen.values())

    def causes(self, *checks: str) -> tuple[str, ...]:
        """What the checks of these names found, in one line each."""
        return tuple(
            f"{cause.title}: {cause.because}" for cause in self.diagnosis.causes if not checks or cause.check in checks
        )

    @property
    def pods(self) -> tuple[Pod, ...]:
        return self.cluster.pods.live if self.cluster.pods else ()

    @property
    def services(self) -> tuple[Service, ...]:
        return self.cluster.services.services if self.cluster.services else ()

    def slow_pod(self) -> Pod | None:
        """The pod to look into: the one whose latency is worst, else the first that is ready."""
        running = [pod for pod in self.pods if pod.phase == "Running"]
        timed = [pod for pod in running if pod.latency is not None]
        if timed:
            return max(timed, key=lambda pod: pod.latency.mean_s if pod.latency else 0.0)
        return next((pod for pod in running if pod.ready), running[0] if running else None)


def ready(endpoints: tuple[Endpoint, ...]) -> int:
    return sum(one.ready for one in endpoints)


def shortened(name: str, width: int = 40) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Columns as wide as their widest cell; no lines where there is nothing but the head."""
    lines = [head, *rows]
    if len(lines) < 2:
        return ()
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return tuple(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
