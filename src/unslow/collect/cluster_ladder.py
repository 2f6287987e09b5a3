"""The probe ladder of one pod: what is there already, the API, Python in the image by exec, a forwarded port.

Whether a rung carries is asked before it is trodden on; one that does not says which verb, level or setting
would change that, under the name of each section that stays empty without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from unslow.collect import cluster_ports, cluster_services
from unslow.collect.cluster_inside import Place
from unslow.collect.cluster_nodes import Used
from unslow.collect.cluster_paths import busiest_path
from unslow.collect.cluster_pods import application_containers
from unslow.collect.cluster_questions import Answer, Questions
from unslow.errors import Unavailable
from unslow.kube import core
from unslow.kube.access import Permission, may
from unslow.kube.quantity import quantity

Chooser = Literal["user", "timer", "probe", "nobody"]
"""Of the path that is requested."""
INSIDE = ("server", "requests", "sockets", "packets", "cpu", "memory", "timers", "profile", "deploys")
"""Sections that a look from inside fills."""
READER_CORES = 0.08
"""What the readers inside use on average (measured: 1.5 CPU seconds in 20 s); it counts against the pod's limit."""
ROOM_CORES = 2 * READER_CORES
READER_BYTES = 64 * 2**20
"""It added 40 MiB to a container's working set; with what its imports may take elsewhere."""
ROOM_BYTES = 1.25 * READER_BYTES
GUESSED_USE = 0.5
"""Of the limit, where nobody tells the use."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What this identity may do in the target's namespace; asked once."""

    exec: Answer[bool]
    forward: Answer[bool]

    @staticmethod
    def asked(ask: Questions, namespace: str) -> Rights:
        return Rights(
            exec=ask.ask(_may_any, ask, namespace, "exec"), forward=ask.ask(_may_any, ask, namespace, "portforward")
        )


def _may_any(ask: Questions, namespace: str, subresource: str) -> bool:
    """A WebSocket is opened by GET; older and newer servers check create, get, or both."""
    verbs = ("get", "create")
    return any(may(ask.client, Permission(verb, "pods", "", subresource, namespace)) for verb in verbs)


def need(allowed: Answer[bool], subresource: str, namespace: str) -> None:
    """Raises `Unavailable` with the missing verb."""
    if not allowed():
        raise Unavailable(
            f"permission for pods/{subresource} in namespace {namespace}",
            f"allow the verbs get and create on pods/{subresource} in namespace {namespace}",
        )


def need_room(pod: core.Pod, used: Used | None) -> None:
    """Raises `Unavailable` where a reader inside would take CPU or memory that the application lacks.

    A container that is near its CPU limit becomes slower by being read from inside, and the reader starves with it;
    near its memory limit the kernel may kill the application for it.
    """
    for name, unit, room, taken, in_use in (
        ("cpu", "cores", ROOM_CORES, READER_CORES, used.cores if used else None),
        ("memory", "MiB", ROOM_BYTES, READER_BYTES, used.memory_bytes if used else None),
    ):
        limits = [quantity((one.resources.limits or {}).get(name)) for one in pod.spec.containers]
        known = [limit for limit in limits if limit is not None]
        if not known or len(known) < len(limits):
            continue
        limit = sum(known)
        use = GUESSED_USE * limit if in_use is None else in_use
        if limit - use < room:
            raise Unavailable(
                f"room for a reader inside {pod.metadata.name}: it uses {_said(use, unit)} of its {_said(limit, unit)} "
                f"{unit}, and reading takes {_said(taken, unit)}",
                f"raise its {name} limit, then look again: unslow does not push a pod over its limit",
            )


def _said(amount: float, unit: str) -> str:
    return f"{amount / 2**20:.0f}" if unit == "MiB" else f"{amount:.2f}"


def place(
    pods: Sequence[core.Pod],
    services: Sequence[core.Service],
    nodes: Mapping[str, core.Node],
    cores: Mapping[str, float],
    wanted: str = "",
) -> Place:
    """The busiest ready pod, its application container and port. Raises `Unavailable` when no pod runs."""
    candidates = [pod for pod in pods if _runs(pod) and (not wanted or pod.metadata.name == wanted)]
    if not candidates:
        raise Unavailable("a running pod of the workload", "look at its events: why do its pods not start?")
    pod = min(candidates, key=lambda one: (not _ready(one), -cores.get(one.metadata.name, 0.0), one.metadata.name))
    port = cluster_ports.http_port(pod, services, application_containers(pod))
    if port is None:
        raise Unavailable(
            f"a port of {pod.metadata.name} that answers HTTP",
            "declare it: containerPort in the pod, or a Service before it, with a name that begins with http",
        )
    node = nodes.get(pod.spec.node_name)
    return Place(
        namespace=pod.metadata.namespace,
        pod=pod.metadata.name,
        container=_container(pod, port).name,
        port=port,
        path="/",
        architecture=node.status.node_info.architecture if node else "",
        names=cluster_services.named_hosts(application_containers(pod)),
    )


def _runs(pod: core.Pod) -> bool:
    return pod.status.phase == "Running" and pod.metadata.deletion_timestamp is None


def _ready(pod: core.Pod) -> bool:
    ready = pod.condition("Ready")
    return ready is not None and ready.status == "True"


def _container(pod: core.Pod, port: int) -> core.Container:
    """The one that declares the port, else the first that is no helper."""
    own = application_containers(pod)
    declaring = [one for one in own if any(declared.container_port == port for declared in one.ports or ())]
    return (declaring or list(own))[0]


def path_of(asked: str, page: Answer[str] | None, pod: core.Pod | None) -> tuple[str, Chooser]:
    """What to request: as asked, else the route in which the application spent most time, else what its probe asks."""
    if asked:
        return (asked if asked.startswith("/") else f"/{asked}"), "user"
    found = busiest_path(page.otherwise("")) if page else ""
    if found:
        return found, "timer"
    for container in application_containers(pod) if pod else ():
        probe = container.readiness_probe or container.liveness_probe
        if probe and probe.http_get:
            return probe.http_get.path, "probe"
    return "/", "nobody"


def refused(sections: Sequence[str], error: Unavailable, skip: Callable[[str, str, str, str], None], rung: str) -> None:
    """Every section that stays empty says why."""
    for name in sections:
        skip(name, rung, error.missing, error.remedy)
