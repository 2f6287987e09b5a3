"""Some pods get a multiple of the others' requests.

Signature   the busiest pod gets half as many requests again as the mean, beyond chance, and requests wait or it is slower
Look-alike  one_slow_pod: equal load, one is slow; few requests: chance alone is that uneven; unslow's own requests to one pod
Blind to    requests of very different weight
Reference   kube-proxy balances connections, not requests: kept-alive ones stay where they are; topology hints keep zones apart
"""

from __future__ import annotations

from math import sqrt

from unslow.evidence.cluster import Pod, Pods, Services
from unslow.evidence.requests import Requests
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.cluster_claims import WAITING, behind

UNEVEN = 1.5
STANDARD_ERRORS = 4.0
SLOWER = 1.2


def check(
    pods: Pods,
    services: Services | None = None,
    requests: Requests | None = None,
    account: Account | None = None,
) -> Finding | Clear | Skipped:
    ready = [pod for pod in pods.live if pod.ready]
    if len(ready) < 2:
        return Clear(f"{len(ready)} ready pods share the load")
    ours = len(requests.due_s) if requests else 0
    counted = [
        (pod, max(0.0, pod.latency.requests - (ours if pod.name == pods.looked_into else 0)))
        for pod in ready
        if pod.latency
    ]
    if len(counted) < len(ready):
        return Skipped("pod latency")
    mean = sum(requests for _, requests in counted) / len(counted)
    busiest, most = max(counted, key=lambda one: (one[1], one[0].name))
    least = min(requests for _, requests in counted)
    measured = f"{least:.0f} to {most:.0f} requests per pod, {mean:.0f} on average"
    if mean <= 0 or most < UNEVEN * mean or most - mean < STANDARD_ERRORS * sqrt(mean):
        return Clear(measured)
    waiting = behind(account, *WAITING)
    if not waiting.claims and not _is_slower(busiest, ready):
        return Clear(f"{measured}, and the busiest is no slower than the others")
    why = _why(busiest, ready, services)
    return Finding(
        title=f"pod {busiest.name} gets {most / mean:.1f} times its share of the requests",
        because=f"{measured}{why}; {waiting.words}",
        place=f"pod {busiest.name}",
        claims=waiting.claims,
        confidence=waiting.surer(0.75, 0.5),
        next_steps=(
            "balance requests, not connections: a mesh or proxy in between, or a lifetime limit for kept-alive connections at the caller",
            "compare the pods: kubectl get endpointslices -o yaml, connections per pod, callers per zone",
        ),
        fixes=("balance_requests",),
        evidence=("pods.latency", "services") if services else ("pods.latency",),
    )


def _is_slower(busiest: Pod, ready: list[Pod]) -> bool:
    """Without a measured queue, uneven load is a cause only where the busy pod answers later."""
    others = [pod.latency.mean_s for pod in ready if pod.latency and pod is not busiest]
    return bool(busiest.latency and others and busiest.latency.mean_s >= SLOWER * sum(others) / len(others))


def _why(busiest: Pod, ready: list[Pod], services: Services | None) -> str:
    reasons = []
    connections = [pod.open_connections for pod in ready if pod.open_connections is not None]
    if len(connections) == len(ready) and sum(connections) > 0:
        reasons.append(
            f"it holds {busiest.open_connections or 0:.0f} of {sum(connections):.0f} open connections: callers keep theirs"
        )
    for service in services.services if services else ():
        if service.role != "target":
            continue
        if service.session_affinity == "ClientIP":
            reasons.append(f"service {service.name} pins callers to a pod (ClientIP affinity)")
        if any(one.zone_hints for one in service.endpoints) or service.traffic_distribution:
            alone = sum(pod.zone == busiest.zone for pod in ready)
            reasons.append(
                f"service {service.name} keeps traffic within a zone, and zone {busiest.zone} has {alone} of {len(ready)} pods"
            )
    return "".join(f"; {reason}" for reason in reasons)
