"""Parts of the response time that the cluster's own readings hold, where no profile looked inside.

A request that is in flight while its container stands still stands still too: the share of time in which
it did, times the time that requests take there, is what they lost to it. Pods are weighed by their
requests. The readings say more about the cause than about the size, so these parts have wide errors.
With a profile the threads' own states tell the same, better; then only what is outside the
application's own timer is added.
"""

from __future__ import annotations

from collections.abc import Sequence

from unslow.evidence import Evidence
from unslow.evidence.cluster import Cluster, Pod
from unslow.measure.cluster_cpu import stopped_ratio, waiting_ratio
from unslow.measure.cluster_network import timeout_s_per_request
from unslow.measure.cluster_pods import against_others, fresh, outlier
from unslow.measure.in_app import in_app_parts
from unslow.measure.part import Part
from unslow.measure.quantities import Estimate

ROUGHLY = 0.4
"""Standard error over size of a part that rests on a container's share of time."""
LEAST_REQUESTS = 20.0
STANDS_STILL = 0.5
"""Of the time: a queue before a container that stands still this long is made by its standing still."""


def cluster_parts(evidence: Evidence, in_app: Estimate, outside_s: float) -> tuple[Part, ...]:
    """Never more than `in_app` inside the application, nor than `outside_s` before it.

    `outside_s`: what connecting, queueing and the application leave of the total.
    """
    cluster = evidence.cluster
    if cluster is None:
        return ()
    # Where nobody timed the application by itself, the proxies' time is still inside `in_app`.
    timed = evidence.timers is not None and outside_s > 0
    if evidence.profile is not None and evidence.profile.samples:
        return _at_most(outside_s, _mesh(cluster)) if timed else ()
    known = in_app_parts(evidence, in_app)
    left_s = in_app.mean_s - sum(part.seconds for part in known)
    inside = (*_pods(evidence, cluster, in_app, known), *_retransmitted(evidence, cluster))
    if timed:
        return (
            *_at_most(left_s, inside),
            *_at_most(outside_s, (*_kept_out(evidence, cluster, outside_s), *_mesh(cluster))),
        )
    return _at_most(left_s, (*inside, *_mesh(cluster)))


def _at_most(limit_s: float, parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts, as long as they fit: the first ones are the surest."""
    kept = []
    left = limit_s
    for part in parts:
        seconds = min(part.seconds, left)
        if seconds > 0:
            share = seconds / part.seconds
            kept.append(
                Part(
                    kind=part.kind,
                    place=part.place,
                    seconds=seconds,
                    se_s=part.se_s * share,
                    evidence=part.evidence,
                    detail=part.detail,
                )
            )
            left -= seconds
    return tuple(kept)


def _pods(evidence: Evidence, cluster: Cluster, in_app: Estimate, known: Sequence[Part]) -> tuple[Part, ...]:
    """`known`: parts inside the application that better sources hold already."""
    twins = [pod for pod in cluster.pods.live if pod.phase == "Running"] if cluster.pods else []
    looked_into = cluster.pods.looked_into if cluster.pods else ""
    pods = _looked_at(cluster)
    if not pods:
        return ()
    weights = _weights(pods)
    means = [pod.latency.mean_s if pod.latency else in_app.mean_s for pod in pods]
    stopped = [stopped_ratio(pod) * mean for pod, mean in zip(pods, means, strict=True)]
    waited = [waiting_ratio(pod) * mean for pod, mean in zip(pods, means, strict=True)]
    by_cpu = (
        _rough("cpu throttled", "waiting for the next CPU quota period", _weighted(weights, stopped)),
        _rough("cpu contended", "waiting for a free core", _weighted(weights, waited)),
    )
    timed_by_kernel = any(part.kind in {"cpu throttled", "cpu contended"} for part in known)
    slower = _slower(evidence, twins, looked_into, sum(part.seconds for part in by_cpu))
    return tuple(part for part in (*(() if timed_by_kernel else by_cpu), *slower) if part.seconds > 0)


def _kept_out(evidence: Evidence, cluster: Cluster, outside_s: float) -> tuple[Part, ...]:
    """Before the application's own timer, where nobody read the queue: a container that stands still takes nobody in."""
    if evidence.sockets is not None:
        return ()
    pods = _looked_at(cluster)
    stopped = _weighted(_weights(pods), [stopped_ratio(pod) for pod in pods]) if pods else 0.0
    if stopped < STANDS_STILL:
        return ()
    return (
        _rough("cpu throttled", "waiting before the application, whose container stands still", stopped * outside_s),
    )


def _looked_at(cluster: Cluster) -> list[Pod]:
    """The pod that the account is of, else all that run."""
    twins = [pod for pod in cluster.pods.live if pod.phase == "Running"] if cluster.pods else []
    looked_into = cluster.pods.looked_into if cluster.pods else ""
    return [pod for pod in twins if looked_into in {"", pod.name}]


def _slower(evidence: Evidence, pods: Sequence[Pod], looked_into: str, explained_s: float) -> tuple[Part, ...]:
    """What some pods are slower than their twins, beyond what their CPU explains."""
    timed = [pod for pod in pods if pod.latency and pod.latency.requests > 0]
    young = fresh(timed, evidence.window.start_s)
    cold = against_others(young, timed, "age", "pods that had just started") if young else None
    slow = cold or outlier(timed)
    if slow is None:
        return ()
    kind, place = ("cold start", slow.name) if cold else ("slow pod", f"{slow.by} {slow.name}, beyond its twins")
    seconds = max(0.0, slow.cost_in(looked_into) - explained_s)
    requests = sum(pod.latency.requests for pod in timed if pod.latency)
    error = slow.mean_s * slow.share / max(1.0, requests * slow.share) ** 0.5
    return (Part(kind=kind, place=place, seconds=seconds, se_s=error, evidence=("pods.latency",), detail=slow.name),)


def _weights(pods: Sequence[Pod]) -> list[float]:
    """Share of the requests; equal where they are not counted."""
    counts = [pod.latency.requests if pod.latency else None for pod in pods]
    known = [count for count in counts if count is not None]
    if len(known) < len(pods) or sum(known) <= 0:
        return [1 / len(pods)] * len(pods)
    return [count / sum(known) for count in known]


def _weighted(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def _rough(kind: str, place: str, seconds: float) -> Part:
    return Part(kind=kind, place=place, seconds=seconds, se_s=ROUGHLY * seconds, evidence=("pods",))


def _retransmitted(evidence: Evidence, cluster: Cluster) -> tuple[Part, ...]:
    pods = cluster.pods.live if cluster.pods else ()
    requests = sum(pod.latency.requests for pod in pods if pod.latency)
    cost_s = timeout_s_per_request(cluster.network.parts, requests) if cluster.network else None
    if not cost_s:
        return ()
    part = _rough("network", "packets that were lost and sent again", cost_s)
    return (Part(kind=part.kind, place=part.place, seconds=cost_s, se_s=part.se_s, evidence=("network",)),)


def _mesh(cluster: Cluster) -> tuple[Part, ...]:
    mesh = cluster.mesh
    if mesh is None or not mesh.proxy_mean_s or mesh.proxy_requests < LEAST_REQUESTS:
        return ()
    error = mesh.proxy_mean_s / mesh.proxy_requests**0.5
    return (Part(kind="mesh", place=f"{mesh.kind} proxies", seconds=mesh.proxy_mean_s, se_s=error, evidence=("mesh",)),)
