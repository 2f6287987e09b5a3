"""Services and their EndpointSlices: does the traffic reach ready pods at all?"""

from __future__ import annotations

from unslow.evidence.cluster import Service
from unslow.runbook.situation import Situation, ready, table
from unslow.runbook.step import Outcome

TITLE = "Service status and endpoints"
SECTION = "Initial Assessment 1"
ASKS = "Does every service select pods, on a port that they have, with enough of them ready?"


def commands(situation: Situation) -> tuple[str, ...]:
    namespace = situation.namespace
    return (
        f"kubectl get svc -n {namespace} -o wide",
        f"kubectl get endpointslices -n {namespace} "
        "-o custom-columns='SERVICE:.metadata.labels.kubernetes\\.io/service-name,READY:.endpoints[*].conditions.ready,"
        "ADDRESSES:.endpoints[*].addresses[0]'",
    )


def run(situation: Situation) -> Outcome:
    gaps = situation.gaps("services")
    services = situation.services
    if not services:
        if situation.cluster.services is None:
            return Outcome(state="unavailable", gaps=gaps)
        return Outcome(means=("No service leads to this workload: nothing but a direct address reaches its pods.",))
    head = ("SERVICE", "ROLE", "KIND", "PORTS", "SELECTS", "READY", "SERVING", "TERMINATING")
    means = [text for service in services for text in problems(service)]
    return Outcome(
        result=table(head, map(_row, services)),
        means=tuple(means) or ("Every service selects pods, and all of their endpoints are ready.",),
        gaps=gaps,
    )


def _row(service: Service) -> tuple[str, ...]:
    ends = service.endpoints
    return (
        service.name,
        service.role,
        service.kind,
        ",".join(f"{port.port}->{port.target or port.port}" for port in service.ports) or "-",
        "-" if service.selects is None else str(service.selects),
        f"{ready(ends)} of {len(ends)}",
        str(sum(end.serving for end in ends)),
        str(sum(end.terminating for end in ends)),
    )


def problems(service: Service) -> list[str]:
    """In plain words; empty when all is well."""
    found = []
    ends = service.endpoints
    live = [end for end in ends if not end.terminating]
    if service.selector and service.selects == 0:
        labels = ",".join(f"{key}={value}" for key, value in service.selector)
        found.append(f"{service.name}: its selector {labels} matches no pod: every request to it fails.")
    elif live and not ready(ends):
        found.append(f"{service.name}: none of {len(live)} endpoints is ready: every request to it fails.")
    elif ready(ends) < len(live):
        found.append(f"{service.name}: {ready(ends)} of {len(live)} endpoints are ready and carry all of its traffic.")
    found += [
        f"{service.name}: port {port.port} goes to {port.target}, which no container of its pods has."
        for port in service.ports
        if port.matches is False
    ]
    return found
