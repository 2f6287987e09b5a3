"""What the pods ask for is far from what they were found to need.

Signature   requests outside the bounds of a VerticalPodAutoscaler's recommendation, which nothing applies
Look-alike  a recommendation that is being applied; oversized pods that have room: waste, not latency
Blind to    workloads younger than an hour
Reference   VPA lower and upper bounds; without VPA the 95th percentile of CPU and the highest working set
"""

from __future__ import annotations

from unslow.evidence.cluster import Autoscalers, Nodes, Pods, Recommendation
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.cluster_claims import behind
from unslow.measure.cluster_nodes import busiest_of_target
from unslow.measure.cluster_sizing import Reserved, mib, millicores, reserved, right_sizes

WASTE = 3.0
"""Reserved over needed, from which pods that do not fit are this workload's own doing."""


def check(
    autoscalers: Autoscalers, pods: Pods, nodes: Nodes | None = None, account: Account | None = None
) -> Finding | Clear:
    asked = {one.container: one for one in reserved(pods.pods)}
    below = [words for vpa in autoscalers.vpas for one in vpa.recommendations for words in _below(asked, one)]
    if below:
        applied = [f"{vpa.name} is in mode {vpa.update_mode}" for vpa in autoscalers.vpas]
        busy = busiest_of_target(nodes)
        waiting = behind(account, "cpu contended", normal=True)
        full = busy is not None and busy.is_full
        if busy and not full:
            return Clear(f"{'; '.join(below)}, and the node has cores to lend: {busy.words}")
        return Finding(
            title="the pods reserve less than they were found to need",
            because=f"{'; '.join(below)}; {', '.join(applied)}; {waiting.words}",
            place=", ".join(sorted({words.split(" ")[0] for words in below})),
            claims=waiting.claims if full else (),
            confidence=0.6 if full and waiting.claims else 0.25,
            next_steps=(
                "apply the recommendation: set the requests, or updateMode, but not with an HPA on the same metric",
            ),
            fixes=("set_requests",),
            evidence=("autoscalers", "pods"),
        )
    return (
        _without_vpa(asked, pods)
        if not autoscalers.vpas
        else Clear(f"{len(autoscalers.vpas)} VPA, requests within its bounds")
    )


def _below(asked: dict[str, Reserved], wanted: Recommendation) -> list[str]:
    one = asked.get(wanted.container)
    if one is None:
        return []
    words = []
    if wanted.cpu_lower_cores and (one.cpu_request_cores or 0.0) < wanted.cpu_lower_cores:
        target = wanted.cpu_target_cores or wanted.cpu_lower_cores
        words.append(
            f"{one.container} reserves {millicores(one.cpu_request_cores or 0.0)} of CPU and needs {millicores(target)}"
        )
    if wanted.memory_lower_bytes and (one.memory_request_bytes or 0) < wanted.memory_lower_bytes:
        held = wanted.memory_target_bytes or wanted.memory_lower_bytes
        words.append(f"{one.container} reserves {mib(one.memory_request_bytes or 0)} and needs {mib(held)}")
    return words


def _without_vpa(asked: dict[str, Reserved], pods: Pods) -> Finding | Clear:
    """Reserving far too much makes requests slow only when pods find no node for it."""
    sizes = [size for size in right_sizes(pods.pods) if size.cpu_cores]
    wasteful = [
        f"{size.container} reserves {millicores(asked[size.container].cpu_request_cores or 0.0)} and needs "
        f"{millicores(size.cpu_cores or 0.0)} ({size.formula})"
        for size in sizes
        if (asked[size.container].cpu_request_cores or 0.0) > WASTE * (size.cpu_cores or 0.0)
    ]
    homeless = [pod.name for pod in pods.live if pod.unschedulable]
    if not wasteful or not homeless:
        known = "; ".join(wasteful) or f"{len(sizes)} containers with an hour of history reserve about what they use"
        return Clear(f"no VPA; {known}; {len(homeless)} pods find no node")
    return Finding(
        title="the pods reserve far more than they use, and do not fit",
        because=f"{'; '.join(wasteful)}; {len(homeless)} pods find no node",
        place=", ".join(size.container for size in sizes),
        confidence=0.5,
        next_steps=tuple(f"reserve {millicores(size.cpu_cores or 0.0)} for {size.container}" for size in sizes),
        fixes=("set_requests",),
        evidence=("pods",),
    )
