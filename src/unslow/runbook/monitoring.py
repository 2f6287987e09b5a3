"""The way to Prometheus: an address that was given, or a server found in the cluster and reached by port-forward."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx2
import msgspec

from unslow.collect.cluster_services import target_port
from unslow.errors import Unavailable
from unslow.kube.core import Pod, Service
from unslow.kube.port_forward import forwarded
from unslow.runbook.situation import Situation

_PORTS = (9090, 8080, 80)
_NOT_IT = ("node-exporter", "operator", "adapter", "pushgateway", "alertmanager", "blackbox", "kube-state")
RULES_S = 5.0


class Rule(msgspec.Struct, frozen=True):
    name: str = ""
    query: str = ""
    duration: float = 0.0
    type: str = ""
    state: str = ""


class _Group(msgspec.Struct, frozen=True):
    rules: tuple[Rule, ...] = ()


class _Groups(msgspec.Struct, frozen=True):
    groups: tuple[_Group, ...] = ()


class _Rules(msgspec.Struct, frozen=True):
    data: _Groups = _Groups()


@contextlib.contextmanager
def reached(situation: Situation) -> Iterator[str]:
    """Its address while open. Raises `Unavailable` when there is none, or no way to it."""
    if situation.options.prometheus:
        yield situation.options.prometheus.rstrip("/")
        return
    service = _found(situation)
    pod, port = _pod(situation, service)
    namespace = service.metadata.namespace
    refused = situation.refused("create", "pods", "portforward") if namespace == situation.namespace else None
    if refused is not None:
        raise Unavailable(refused.missing, f"give --prometheus URL, or: {refused.remedy}")
    with forwarded(situation.client, namespace, pod, port) as forward:
        yield f"http://127.0.0.1:{forward.port}"


def _found(situation: Situation) -> Service:
    """In the workload's namespace first, else anywhere."""
    services: list[Service] = []
    for path in (f"/api/v1/namespaces/{situation.namespace}/services", "/api/v1/services"):
        services = [one for one in situation.client.items(path, Service) if _is_prometheus(one)]
        if services:
            return services[0]
    raise Unavailable("a Prometheus: no service of the cluster looks like one", "give its address: --prometheus URL")


def _is_prometheus(service: Service) -> bool:
    labels = service.metadata.labels or {}
    name = f"{service.metadata.name} {labels.get('app.kubernetes.io/name', '')} {labels.get('app', '')}"
    ports = {port.port for port in service.spec.ports or ()}
    known = any(word in name for word in ("prometheus", "vmsingle", "thanos-query"))
    return known and not any(word in name for word in _NOT_IT) and bool(ports & set(_PORTS))


def _pod(situation: Situation, service: Service) -> tuple[str, int]:
    labels = ",".join(f"{key}={value}" for key, value in (service.spec.selector or {}).items())
    path = f"/api/v1/namespaces/{service.metadata.namespace}/pods"
    for pod in situation.client.items(path, Pod, labels=labels):
        condition = pod.condition("Ready")
        if condition is not None and condition.status == "True":
            port = target_port(service, pod)
            if port is not None:
                return pod.metadata.name, port
    raise Unavailable(
        f"a ready pod of {service.metadata.namespace}/{service.metadata.name}",
        "look why Prometheus is not ready, or give --prometheus URL",
    )


def alert_rules(address: str) -> tuple[Rule, ...]:
    """Alerts that speak of latency, as the server has them. Raises `Unavailable`."""
    try:
        answer = httpx2.get(f"{address}/api/v1/rules?type=alert", timeout=RULES_S, trust_env=False)
        groups = msgspec.json.decode(answer.content, type=_Rules).data.groups
    except (httpx2.HTTPError, msgspec.DecodeError) as error:
        raise Unavailable(
            f"the alert rules of {address} ({type(error).__name__})", "see /api/v1/rules there"
        ) from error
    words = ("duration", "latency", "response_time")
    return tuple(rule for group in groups for rule in group.rules if any(word in rule.query for word in words))
