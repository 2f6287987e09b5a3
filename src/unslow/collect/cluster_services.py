"""Services, their EndpointSlices, and which of them the target calls -> evidence."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from unslow.evidence.cluster import Endpoint, Service, ServicePort, Services, Usage
from unslow.kube import core, network
from unslow.kube.workloads import Workload

_OWNER_LABEL = "kubernetes.io/service-name"
_URL_HOST = re.compile(r"://(?:[^@/\s]*@)?([A-Za-z0-9.-]+)")
_HOST_SETTINGS = ("HOST", "_ADDR", "_ADDRESS", "SERVER")
MOST_NAMES = 6
MOST_PODS = 40
LEAST_PERIODS = 20
"""Of a quota, two seconds of them: fewer tell little."""
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9-]+)*", re.IGNORECASE)


def services(
    found: Sequence[core.Service],
    slices: Iterable[network.EndpointSlice],
    workload: Workload,
    pods: Sequence[core.Pod],
    used: Mapping[tuple[str, str], Usage] | None = None,
    called: Collection[str] = (),
) -> Services:
    """Those that lead to the workload, and those of its namespace that its settings name or that it was seen to call.

    `used`: by pod and container, of the namespace; what nobody read is not in it. `called`: names of services.
    """
    stops = _stops(used or {})
    endpoints = _endpoints(slices)
    mentioned = {*hosts(workload.spec.template.spec.containers), *called}
    made = []
    for service in sorted(found, key=lambda one: one.metadata.name):
        role = _role(service, workload, mentioned)
        if role:
            behind = [_counted(one, stops) for one in endpoints.get(service.metadata.name, [])]
            made.append(_service(service, behind, pods, role))
    return Services(services=tuple(made))


def called_pods(
    found: Sequence[core.Service],
    slices: Iterable[network.EndpointSlice],
    workload: Workload,
    called: Collection[str] = (),
) -> tuple[str, ...]:
    """Some of the pods behind the services that the workload calls, known as in `services`."""
    others = [one for one in services(found, slices, workload, (), called=called).services if one.role == "dependency"]
    return tuple(endpoint.pod for one in others for endpoint in one.endpoints if endpoint.pod)[:MOST_PODS]


def _stops(used: Mapping[tuple[str, str], Usage]) -> dict[str, tuple[float, str]]:
    """Of each pod, the container that is stopped most often."""
    found: dict[str, tuple[float, str]] = {}
    for (pod, container), usage in used.items():
        if usage.throttled_ratio is not None and (usage.cfs_periods or 0) >= LEAST_PERIODS:
            found[pod] = max(found.get(pod, (0.0, "")), (usage.throttled_ratio, container))
    return found


def _counted(one: Endpoint, stops: Mapping[str, tuple[float, str]]) -> Endpoint:
    ratio, container = stops.get(one.pod, (None, ""))
    return replace(one, throttled_ratio=ratio, throttled_container=container)


def hosts(containers: Iterable[core.Container]) -> set[str]:
    """Host names (first label) in plain settings and arguments; values from secrets are not read."""
    found: set[str] = set()
    for container in containers:
        texts = [variable.value for variable in container.env or ()]
        texts += [*(container.command or ()), *(container.args or ())]
        for text in texts:
            found.update(match.partition(".")[0].lower() for match in _HOST.findall(text))
    return found


def named_hosts(containers: Iterable[core.Container]) -> tuple[str, ...]:
    """Whole host names of URLs and of settings that are called so; addresses are no names."""
    found: dict[str, None] = {}
    for container in containers:
        for variable in container.env or ():
            hosts = _URL_HOST.findall(variable.value)
            if variable.name.upper().endswith(_HOST_SETTINGS):
                hosts.append(variable.value.partition(":")[0])
            found |= {host: None for host in hosts if _is_name(host)}
    return tuple(found)[:MOST_NAMES]


def _is_name(host: str) -> bool:
    return bool(_HOST.fullmatch(host)) and host != "localhost" and not host.replace(".", "").isdigit()


def leads_to(service: core.Service, labels: dict[str, str] | None) -> bool:
    """An empty selector selects nothing here: somebody else writes the endpoints."""
    selector = service.spec.selector or {}
    return bool(selector) and all((labels or {}).get(key) == value for key, value in selector.items())


def _role(service: core.Service, workload: Workload, mentioned: set[str]) -> str:
    same_name = service.metadata.name == workload.metadata.name
    if same_name or leads_to(service, workload.spec.template.metadata.labels):
        return "target"
    return "dependency" if service.metadata.name in mentioned else ""


def _service(service: core.Service, endpoints: list[Endpoint], pods: Sequence[core.Pod], role: str) -> Service:
    spec = service.spec
    selected = [pod for pod in pods if leads_to(service, pod.metadata.labels)]
    annotations = service.metadata.annotations or {}
    kind = "Headless" if spec.type == "ClusterIP" and spec.cluster_ip == "None" else spec.type
    return Service(
        name=service.metadata.name,
        namespace=service.metadata.namespace,
        kind=kind,
        selector=tuple(sorted((spec.selector or {}).items())),
        selects=max(len(selected), len({one.address for one in endpoints})) if spec.selector else None,
        ports=tuple(_port(port, selected) for port in spec.ports or ()),
        endpoints=tuple(endpoints),
        session_affinity=spec.session_affinity,
        traffic_distribution=spec.traffic_distribution or annotations.get("service.kubernetes.io/topology-mode", ""),
        external_traffic_policy=spec.external_traffic_policy,
        internal_traffic_policy=spec.internal_traffic_policy,
        role=role,  # type: ignore[arg-type]
    )


def _port(port: core.ServicePort, selected: Sequence[core.Pod]) -> ServicePort:
    target = port.target_port or port.port
    return ServicePort(
        name=port.name, port=port.port, target=str(target), matches=_matches(target, selected) if selected else None
    )


def _matches(target: int | str, selected: Sequence[core.Pod]) -> bool | None:
    """A name that no container has is surely wrong; a number that none declares may still be listened on."""
    declared = {
        name
        for pod in selected
        for container in pod.spec.containers
        for one in container.ports or ()
        for name in (one.name, one.container_port)
    }
    if target in declared:
        return True
    return False if isinstance(target, str) and not target.isdigit() else None


def target_port(service: core.Service, pod: core.Pod) -> int | None:
    """The number of the pod's port that the service's first port leads to."""
    return next((number for port in service.spec.ports or () if (number := port_behind(port, pod)) is not None), None)


def port_behind(port: core.ServicePort, pod: core.Pod) -> int | None:
    """The number of the pod's port that this port of a service leads to; None for a name that the pod does not have."""
    target = port.target_port or port.port
    if isinstance(target, int):
        return target
    declared = (one for container in pod.spec.containers for one in container.ports or ())
    return next((one.container_port for one in declared if one.name == target), None)


def _endpoints(slices: Iterable[network.EndpointSlice]) -> dict[str, list[Endpoint]]:
    """By service; one pod may be in several slices, with IPv4 and IPv6."""
    grouped: dict[str, dict[str, Endpoint]] = {}
    for piece in slices:
        service = (piece.metadata.labels or {}).get(_OWNER_LABEL, "")
        for one in piece.endpoints or ():
            made = _endpoint(one)
            grouped.setdefault(service, {}).setdefault(made.pod or made.address, made)
    return {service: sorted(found.values(), key=lambda one: one.address) for service, found in grouped.items()}


def _endpoint(one: network.Endpoint) -> Endpoint:
    """An unknown condition counts as true, as consumers are told to read it."""
    ref, conditions = one.target_ref, one.conditions
    return Endpoint(
        address=one.addresses[0] if one.addresses else "",
        pod=ref.name if ref and ref.kind == "Pod" else "",
        node=one.node_name,
        zone=one.zone,
        ready=conditions.ready is not False,
        serving=conditions.ready is not False if conditions.serving is None else conditions.serving,
        terminating=bool(conditions.terminating),
        zone_hints=tuple(zone.name for zone in (one.hints.for_zones if one.hints else None) or ()),
    )
