"""Nothing adds pods when the load rises, and requests wait.

Signature   no HorizontalPodAutoscaler for the workload, and measured waiting for workers or cores
Look-alike  hpa_at_max: there is one; a service whose time goes to a database: more pods make that worse
Blind to    scaling by hand or by a schedule outside the cluster
Reference   the autoscaler is the answer to load that varies; to load that is constant it is more replicas
"""

from __future__ import annotations

from unslow.evidence.cluster import Autoscalers, Pods, Workload
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.cluster_claims import WAITING, behind, bound_elsewhere, is_dark
from unslow.measure.cluster_scaling import cpu_of_request

LOADED = 0.8
"""Use over request from which an autoscaler would add pods."""


def check(
    autoscalers: Autoscalers, workload: Workload, pods: Pods | None = None, account: Account | None = None
) -> Finding | Clear:
    if autoscalers.hpas:
        return Clear(f"{len(autoscalers.hpas)} autoscaler: {autoscalers.hpas[0].name}")
    if workload.kind == "DaemonSet":
        return Clear("a DaemonSet has one pod a node")
    waiting = behind(account, *WAITING)
    used = cpu_of_request(pods.live) if pods else None
    measured = f"{workload.replicas_wanted} pods and no autoscaler"
    if used is not None:
        measured += f"; CPU use is {used:.0%} of requests"
    if elsewhere := bound_elsewhere(account):
        return Clear(f"{measured}; {elsewhere}")
    # Use alone is no waiting, and some of it is our own reader's: it counts where waiting was not looked for.
    if not waiting.claims and (used is None or used < LOADED or not is_dark(account)):
        return Clear(f"{measured}; {waiting.words}")
    return Finding(
        title="no autoscaler adds pods for the load",
        because=f"{measured}; {waiting.words}",
        place=f"{workload.kind} {workload.name}",
        claims=waiting.claims,
        confidence=waiting.surer(0.5, 0.3),
        next_steps=(
            f"add one: kubectl autoscale {workload.kind.lower()} {workload.name} --min={max(2, workload.replicas_wanted)} "
            f"--max={max(4, 3 * workload.replicas_wanted)} --cpu-percent=70",
            "better than CPU for latency is the number of requests in flight per pod; check the database's connections first",
        ),
        fixes=("add_hpa",),
        evidence=("autoscalers",),
    )
