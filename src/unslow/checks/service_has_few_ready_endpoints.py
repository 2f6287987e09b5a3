"""Few of the pods behind the Service are ready, so each of them gets a multiple of its share.

Signature   at most half of the wanted pods are ready endpoints; or the selector or target port leads nowhere
Look-alike  pods that are terminating in a rollout; uneven_load: all are ready, some get more
Blind to    ready endpoints that are slow; load balancers that keep a list of their own
Reference   EndpointSlice conditions ready, serving, terminating
"""

from __future__ import annotations

from unslow.evidence.cluster import Pods, Service, Services, Workload
from unslow.evidence.requests import Requests
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.answers import answered
from unslow.measure.cluster_claims import WAITING, behind
from unslow.measure.cluster_endpoints import coverage, misrouted

CANNOT_START = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"}
)


def check(
    services: Services,
    workload: Workload | None = None,
    pods: Pods | None = None,
    requests: Requests | None = None,
    account: Account | None = None,
) -> Finding | Clear:
    waiting = behind(account, *WAITING)
    seen = []
    for service in sorted(services.services, key=lambda one: one.role != "target"):
        if service.kind == "ExternalName":
            continue
        wanted = workload.replicas_wanted if workload and service.role == "target" else None
        cover = coverage(service, wanted)
        seen.append(f"{service.name}: {cover.ready} of {cover.wanted} ready")
        wrong = misrouted(service, unanswered=service.role == "target" and _silent(pods, requests))
        if not wrong and (not cover.is_few or _is_over(service, pods)):
            continue
        mine = service.role == "target"
        # With none ready nobody carries more than its share: a queue then has another cause, perhaps of both.
        claims = waiting.claims if mine and cover.ready else ()
        return Finding(
            title=f"service {service.name} has {cover.ready} ready of {cover.wanted} endpoints"
            if not wrong
            else f"service {service.name} leads nowhere",
            because=f"{wrong or seen[-1]}{_why(pods) if mine else ', and the target calls it'}"
            + (f"; {waiting.words}" if claims or (mine and not waiting.claims) else ""),
            place=f"service {service.name}",
            claims=claims,
            confidence=0.85 if claims else 0.7 if mine else 0.5,
            keeps_waiting=bool(wrong) or (mine and _do_not_run(pods)),
            next_steps=(_next_step(service, bool(wrong), pods if mine else None),),
            fixes=("fix_readiness",),
            evidence=("services", "pods") if pods else ("services",),
        )
    return Clear("; ".join(seen) or "no service leads to the pods")


def _silent(pods: Pods | None, requests: Requests | None) -> bool:
    """Whether all pods are ready, by another port than the one where nothing answered."""
    live = pods.live if pods else ()
    return bool(live) and all(pod.ready for pod in live) and requests is not None and answered(requests) is None


def _next_step(service: Service, wrong: bool, pods: Pods | None) -> str:
    """By what keeps the pods from being ready, where that is known."""
    if wrong:
        return (
            f"compare the service's selector and targetPort with the pods: kubectl get service {service.name} -o yaml, "
            "kubectl get pods --show-labels"
        )
    for pod in pods.live if pods else ():
        for one in pod.application:
            if one.state in CANNOT_START:
                return f"read why it cannot start: kubectl describe pod {pod.name} (image {one.image})"
            if not pod.ready and one.restarts and one.state != "running":
                return f"read what it said before it ended: kubectl logs {pod.name} -c {one.name} --previous"
    return (
        f"see why the others are not ready: kubectl get endpointslices -l kubernetes.io/service-name={service.name} "
        "-o wide, then the readiness probe and the last events of such a pod"
    )


def _is_over(service: Service, pods: Pods | None) -> bool:
    """Whether what was not ready has become so, or has gone: pods are read after the services."""
    unready = [one for one in service.endpoints if not one.ready and not one.terminating]
    live = pods.live if pods else ()
    return service.role == "target" and bool(unready and live) and all(pod.ready for pod in live)


def _do_not_run(pods: Pods | None) -> bool:
    """Whether what is not ready does not even run; a running pod may be unready because it is slow."""
    unready = [pod for pod in (pods.live if pods else ()) if not pod.ready]
    return bool(unready) and all(one.state != "running" for pod in unready for one in pod.application)


def _why(pods: Pods | None) -> str:
    live = pods.live if pods else ()
    unready = [pod for pod in live if not pod.ready]
    states = sorted({one.state for pod in unready for one in pod.application if one.state and one.state != "running"})
    if not unready:
        return ""
    said = f": {', '.join(states)}" if states else ""
    return f"; {len(unready)} of {len(live)} pods are not ready{said}"
