"""The autoscaler cannot read its metric, or reads one that says nothing of the waiting.

Signature   ScalingActive is False or a metric has no value; or requests queue while its metrics stay below target
Look-alike  ScalingDisabled by zero replicas; hpa_at_max: it sees, and may not
Blind to    a metric that is readable and wrong in its labels
Reference   latency is not monotone in replicas, CPU is low while threads wait: in-flight requests per pod are neither
"""

from __future__ import annotations

from unslow.evidence.cluster import Autoscalers, Hpa, Pods
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.cluster_claims import behind, bound_elsewhere
from unslow.measure.cluster_scaling import condition, reading, wants_more


def check(autoscalers: Autoscalers, pods: Pods | None = None, account: Account | None = None) -> Finding | Clear:
    if not autoscalers.hpas:
        return Clear("no autoscaler")
    queue = behind(account, "queue")
    for hpa in autoscalers.hpas:
        if why := _unreadable(hpa, pods):
            return Finding(
                title="the autoscaler cannot read its metric",
                because=f"{hpa.name} stays at {hpa.replicas_now} pods: {why}; {queue.words}",
                place=f"HPA {hpa.name}",
                claims=queue.claims,
                confidence=queue.surer(0.8, 0.6),
                next_steps=(
                    f"see its conditions: kubectl describe hpa {hpa.name}; install what serves the metric, or set the missing request",
                ),
                fixes=("fix_hpa_metric",),
                evidence=("autoscalers",),
            )
    for hpa in autoscalers.hpas:
        can_grow = hpa.replicas_now < hpa.replicas_max
        if queue.claims and can_grow and hpa.metrics and not wants_more(hpa) and not bound_elsewhere(account):
            return Finding(
                title="the autoscaler looks at the wrong metric",
                because=f"requests queue ({queue.words}) while {'; '.join(map(reading, hpa.metrics))}",
                place=f"HPA {hpa.name}",
                claims=queue.claims,
                confidence=0.65,
                next_steps=(
                    f"scale {hpa.name} on requests in flight per pod (needs a metrics adapter), not on CPU or on latency itself",
                ),
                fixes=("fix_hpa_metric",),
                evidence=("autoscalers", "sockets.queue"),
            )
    return Clear(
        "; ".join(reading(metric) for hpa in autoscalers.hpas for metric in hpa.metrics) or "it reads 0 metrics"
    )


def _unreadable(hpa: Hpa, pods: Pods | None) -> str:
    active = condition(hpa.conditions, "ScalingActive")
    if active is not None and active.status == "False" and active.reason != "ScalingDisabled":
        return f"{active.reason}: {active.message}" if active.message else active.reason
    if hpa.metrics and all(metric.current is None for metric in hpa.metrics):
        return f"none of its {len(hpa.metrics)} metrics has a value"
    on_share = any(m.kind == "Resource" and m.name == "cpu" and m.target_kind == "Utilization" for m in hpa.metrics)
    lacking = [
        one.name
        for pod in (pods.live if pods else ())
        for one in pod.containers
        if not one.init and not one.cpu_request_cores
    ]
    if on_share and lacking and any(metric.current is None for metric in hpa.metrics):
        return f"a share of requests needs a CPU request on every container, and {len(set(lacking))} have none: {', '.join(sorted(set(lacking)))}"
    return ""
