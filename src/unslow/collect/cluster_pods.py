"""Pods and their containers as the API server has them -> evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from unslow.evidence.cluster import Container, Handler, Latency, Pod, Pods, Start, Termination, Usage
from unslow.kube import core
from unslow.kube.events import Event
from unslow.kube.meta import unix
from unslow.kube.quantity import quantity, whole

_SIDECARS = re.compile(
    r"^(istio-proxy|linkerd-proxy|envoy(-sidecar)?|consul-(dataplane|envoy.*)|kuma-sidecar|daprd|vault-agent|"
    r"cloud-?sql-proxy|aws-.*|xray-daemon|datadog-agent|jaeger-agent|otc-container|otel-.*|fluent-?bit|fluentd|"
    r"filebeat|promtail|linkerd-.*|config-reloader)$"
)
_PULLED = re.compile(r'pulled image "[^"]+" in ([\dhmsµu.]+) \(')
_SIZE = re.compile(r"Image size: (\d+) bytes")
_SPAN = re.compile(r"([\d.]+)(ms|µs|us|ns|h|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True)
class Context:
    """What is known besides the pods themselves; an absent source is empty."""

    nodes: Mapping[str, core.Node] = field(default_factory=dict)
    usage: Mapping[tuple[str, str], Usage] = field(default_factory=dict)
    """By pod and container."""
    events: Mapping[str, Sequence[Event]] | None = None
    """By the pod's uid; None: events could not be read."""
    restarts_before: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By pod uid and container, at the start of the window."""
    latencies: Mapping[str, Latency] = field(default_factory=dict)
    """By pod."""


def pods(found: Iterable[core.Pod], context: Context) -> Pods:
    ordered = sorted(found, key=lambda pod: (pod.metadata.created_s or 0.0, pod.metadata.name))
    return Pods(pods=tuple(_pod(pod, context) for pod in ordered))


def by_uid(events: Iterable[Event]) -> dict[str, list[Event]]:
    """A pod's name outlives it: its events are told apart by uid."""
    grouped: dict[str, list[Event]] = {}
    for event in events:
        if event.involved_object.kind == "Pod":
            grouped.setdefault(event.involved_object.uid, []).append(event)
    return grouped


def restarts(found: Iterable[core.Pod]) -> dict[tuple[str, str], int]:
    return {
        (pod.metadata.uid, status.name): status.restart_count
        for pod in found
        for status in pod.status.container_statuses or ()
    }


def seconds_of(text: str) -> float:
    """A Go duration such as `1m2.5s` or `45ms`."""
    return sum(float(number) * _UNITS[unit] for number, unit in _SPAN.findall(text))


def is_sidecar(container: core.Container) -> bool:
    return bool(_SIDECARS.match(container.name))


def application_containers(pod: core.Pod) -> tuple[core.Container, ...]:
    """Without injected helpers; all of them when every name looks like one."""
    own = tuple(one for one in pod.spec.containers if not is_sidecar(one))
    return own or pod.spec.containers


def _pod(pod: core.Pod, context: Context) -> Pod:
    node = context.nodes.get(pod.spec.node_name)
    ready, scheduled = pod.condition("Ready"), pod.condition("PodScheduled")
    events = None if context.events is None else context.events.get(pod.metadata.uid, ())
    labels = pod.metadata.labels or {}
    is_ready = ready is not None and ready.status == "True"
    stuck = scheduled is not None and scheduled.status == "False"
    return Pod(
        name=pod.metadata.name,
        namespace=pod.metadata.namespace,
        node=pod.spec.node_name,
        zone=zone_of(node) if node else "",
        version=version_of(labels),
        phase=pod.status.phase,
        ready=is_ready,
        ready_since_s=unix(ready.last_transition_time) if ready and is_ready else None,
        terminating=pod.metadata.deletion_timestamp is not None,
        qos=pod.status.qos_class if pod.status.qos_class in {"Guaranteed", "Burstable", "BestEffort"} else "",  # type: ignore[arg-type]
        created_s=pod.metadata.created_s,
        unschedulable=scheduled.message if scheduled and stuck else "",
        host_network=pod.spec.host_network,
        containers=_containers(pod, context, events, node),
        start=_start(pod, events or ()),
        latency=context.latencies.get(pod.metadata.name),
    )


def zone_of(node: core.Node) -> str:
    return (node.metadata.labels or {}).get("topology.kubernetes.io/zone", "")


def version_of(labels: Mapping[str, str]) -> str:
    for key in ("pod-template-hash", "controller-revision-hash", "app.kubernetes.io/version", "version"):
        if key in labels:
            return labels[key]
    return ""


def _containers(
    pod: core.Pod, context: Context, events: Sequence[Event] | None, node: core.Node | None
) -> tuple[Container, ...]:
    statuses = {one.name: one for one in pod.status.container_statuses or ()}
    statuses |= {one.name: one for one in pod.status.init_container_statuses or ()}
    application = {one.name for one in application_containers(pod)}
    made = []
    for container in (*(pod.spec.init_containers or ()), *pod.spec.containers):
        helper = container.restart_policy == "Always"  # an init container that stays: a sidecar by definition
        init = container not in pod.spec.containers and not helper
        sidecar = helper or (not init and container.name not in application)
        status = statuses.get(container.name)
        made.append(_container(pod, container, status, context, events, node, init=init, sidecar=sidecar))
    return tuple(made)


def _container(
    pod: core.Pod,
    container: core.Container,
    status: core.ContainerStatus | None,
    context: Context,
    events: Sequence[Event] | None,
    node: core.Node | None,
    *,
    init: bool,
    sidecar: bool,
) -> Container:
    status = status or core.ContainerStatus(name=container.name)
    requests, limits = container.resources.requests or {}, container.resources.limits or {}
    before = context.restarts_before.get((pod.metadata.uid, container.name))
    running = status.state.running
    return Container(
        name=container.name,
        image=container.image,
        image_id=status.image_id.partition("@")[2] or status.image_id,
        image_bytes=_image_bytes(node, container.image),
        sidecar=sidecar,
        init=init,
        ready=status.ready,
        state=_state(status.state),
        started_s=unix(running.started_at) if running else None,
        restarts=status.restart_count,
        restarts_in_window=None if before is None else max(0, status.restart_count - before),
        last_termination=_termination(status.last_state.terminated or status.state.terminated),
        cpu_request_cores=quantity(requests.get("cpu")),
        cpu_limit_cores=quantity(limits.get("cpu")),
        memory_request_bytes=whole(requests.get("memory")),
        memory_limit_bytes=whole(limits.get("memory")),
        usage=context.usage.get((pod.metadata.name, container.name)),
        probes=_probes(container, events),
    )


def _state(state: core.State) -> str:
    if state.running:
        return "running"
    if state.waiting:
        return state.waiting.reason or "waiting"
    return state.terminated.reason or "terminated" if state.terminated else ""


def _termination(ended: core.Terminated | None) -> Termination | None:
    if ended is None:
        return None
    return Termination(
        reason=ended.reason or "Error",
        exit_code=ended.exit_code,
        started_s=unix(ended.started_at),
        ended_s=unix(ended.finished_at),
    )


def _image_bytes(node: core.Node | None, image: str) -> int | None:
    """As the node lists it, under the short name or the full one."""
    names = {image, f"docker.io/{image}", f"docker.io/library/{image}"}
    for known in (node.status.images or ()) if node else ():
        if not names.isdisjoint(known.names or ()):
            return known.size_bytes
    return None


def _probes(container: core.Container, events: Sequence[Event] | None) -> tuple[Handler, ...]:
    configured = (
        ("liveness", container.liveness_probe),
        ("readiness", container.readiness_probe),
        ("startup", container.startup_probe),
    )
    return tuple(
        Handler(
            kind=kind,  # type: ignore[arg-type]
            action=_action(probe),
            initial_delay_s=probe.initial_delay_seconds,
            period_s=probe.period_seconds,
            timeout_s=probe.timeout_seconds,
            failure_threshold=probe.failure_threshold,
            success_threshold=probe.success_threshold,
            failures=None if events is None else _failures(kind, container.name, events),
        )
        for kind, probe in configured
        if probe is not None
    )


def _action(probe: core.Handler) -> str:
    if probe.http_get:
        return f"http {probe.http_get.path}:{probe.http_get.port}"
    if probe.tcp_socket:
        return f"tcp {probe.tcp_socket.port}"
    if probe.grpc:
        return f"grpc {probe.grpc.port}"
    return "exec" if probe.exec_ else ""


def _failures(kind: str, container: str, events: Sequence[Event]) -> int:
    return sum(
        event.times
        for event in events
        if event.reason == "Unhealthy"
        and (event.message or "").lower().startswith(kind)
        and f"{{{container}}}" in event.involved_object.field_path
    )


def _start(pod: core.Pod, events: Sequence[Event]) -> Start | None:
    created = pod.metadata.created_s
    scheduled = pod.condition("PodScheduled")
    scheduled_s = unix(scheduled.last_transition_time) if scheduled and scheduled.status == "True" else None
    if created is None or scheduled_s is None:
        return None
    pull_s, pulled_bytes = _pulls(events)
    return Start(
        scheduling_s=max(0.0, scheduled_s - created),
        pull_s=pull_s,
        pulled_bytes=pulled_bytes,
        init_s=_init_s(pod),
        starting_s=_starting_s(pod),
    )


def _pulls(events: Sequence[Event]) -> tuple[float | None, int | None]:
    """Seconds and bytes of all pulls; None when the events are gone."""
    pulled = [event.message or "" for event in events if event.reason == "Pulled"]
    if not pulled:
        return None, None
    seconds = sum(seconds_of(match[1]) for match in map(_PULLED.search, pulled) if match)
    sizes = [int(match[1]) for match in map(_SIZE.search, pulled) if match]
    return seconds, sum(sizes) if sizes else None


def _init_s(pod: core.Pod) -> float | None:
    runs = [status.state.terminated for status in pod.status.init_container_statuses or () if status.state.terminated]
    spans = [(run.started_at, run.finished_at) for run in runs]
    return sum(
        (ended - started).total_seconds() for started, ended in spans if started is not None and ended is not None
    )


def _starting_s(pod: core.Pod) -> float | None:
    """Only of a first start: the time of readiness is the last one, which a restart or a failed probe moves."""
    ready = pod.condition("Ready")
    statuses = pod.status.container_statuses or ()
    if ready is None or ready.status != "True" or ready.last_transition_time is None:
        return None
    if any(status.restart_count for status in statuses):
        return None
    starts = [unix(one.state.running.started_at) for one in statuses if one.state.running]
    known = [start for start in starts if start is not None]
    if not known:
        return None
    taken = ready.last_transition_time.timestamp() - max(known)
    return taken if 0.0 <= taken < 3600.0 else None
