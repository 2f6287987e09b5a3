"""Which port of a pod answers HTTP, as far as its manifests tell: none is tried that says it speaks something else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unslow.collect import cluster_services
from unslow.kube import core

OTHER_PROTOCOLS = frozenset(
    [
        "amqp",
        "dns",
        "grpc",
        "kafka",
        "ldap",
        "memcached",
        "metrics",
        "mongo",
        "mysql",
        "nats",
        "postgres",
        "postgresql",
        "redis",
        "smtp",
        "tcp",
        "tls",
        "udp",
    ]
)
"""First words of port names (`PROTOCOL-ANYTHING`, the naming that meshes read) that are no HTTP of the service's own:
a metrics port answers HTTP, but nobody's user waits for it."""
OTHER_NUMBERS = frozenset({25, 53, 389, 3306, 5432, 5672, 6379, 9042, 9092, 11211, 27017})
"""Registered to other protocols; they count where a port has no telling name."""


def http_port(pod: core.Pod, services: Sequence[core.Service], containers: Sequence[core.Container]) -> int | None:
    """By the service before the pod, else as a container declares; where nothing is declared, as its probes ask."""
    candidates = [*_behind_services(pod, services), *_declared(containers)]
    if candidates:
        return next((number for name, number, protocol in candidates if speaks_http(name, number, protocol)), None)
    return next(_probed(containers), None)


Candidate = tuple[str, int, str]
"""Name (or protocol), number in the pod, transport."""


def _behind_services(pod: core.Pod, services: Sequence[core.Service]) -> Iterator[Candidate]:
    for service in services:
        if cluster_services.leads_to(service, pod.metadata.labels):
            for port in service.spec.ports or ():
                number = cluster_services.port_behind(port, pod)
                if number is not None:
                    yield port.app_protocol or port.name, number, port.protocol


def _declared(containers: Sequence[core.Container]) -> Iterator[Candidate]:
    for container in containers:
        for one in container.ports or ():
            yield one.name, one.container_port, one.protocol


def _probed(containers: Sequence[core.Container]) -> Iterator[int]:
    for container in containers:
        for probe in (container.readiness_probe, container.liveness_probe, container.startup_probe):
            if probe and probe.http_get and isinstance(probe.http_get.port, int):
                yield probe.http_get.port


def speaks_http(name: str, number: int, protocol: str) -> bool:
    """What its name says; without a name that tells, what its number is registered to."""
    if protocol != "TCP":
        return False
    word = name.lower().rsplit("/", 1)[-1].split("-", 1)[0]
    if word.startswith(("http", "web")):
        return True
    return word not in OTHER_PROTOCOLS and number not in OTHER_NUMBERS
