"""A container reserves no CPU or memory, so on a full node it is the first to go without.

Signature   no CPU or memory request on an application container
Look-alike  a sidecar without requests; requests that a LimitRange filled in (then the pod has them); a node with idle cores
Blind to    how full the node will be tomorrow
Reference   cpu.weight follows the request: without one the container gets the smallest share of a busy node
"""

from __future__ import annotations

from unslow.evidence.cluster import Nodes, Pods
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.cluster_claims import behind
from unslow.measure.cluster_nodes import busiest_of_target
from unslow.measure.cluster_sizing import reserved, right_sizes


def check(pods: Pods, nodes: Nodes | None = None, account: Account | None = None) -> Finding | Clear:
    containers = reserved(pods.pods)
    lacking = [
        f"{one.container} ({', '.join(missing)})"
        for one in containers
        if (missing := _missing(one.cpu_request_cores, one.memory_request_bytes))
    ]
    if not lacking:
        return Clear(f"{len(containers)} of {len(containers)} application containers reserve CPU and memory")
    waiting = behind(account, "cpu contended", normal=True)
    busy = busiest_of_target(nodes)
    full = busy is not None and busy.is_full
    measured = f"no request on {len(lacking)} of {len(containers)} containers: {', '.join(lacking)}"
    reason = f"; {busy.words}" if busy else "; how full its nodes are is not known"
    if busy and not full:
        return Clear(f"{measured}, and the node has cores to lend{reason}")
    return Finding(
        title="the pods reserve nothing on their nodes",
        because=f"{measured}{reason}: whatever else runs there takes cores first, {waiting.words}",
        place=", ".join(one.split(" ")[0] for one in lacking),
        claims=waiting.claims if full else (),
        confidence=0.2 if not full else waiting.surer(0.65, 0.4),
        next_steps=tuple(f"set requests for {size.container}: {size.formula}" for size in right_sizes(pods.pods))
        or ("set resources.requests from a day of use: kubectl top pods --containers",),
        fixes=("set_requests",),
        evidence=("pods",),
    )


def _missing(cpu_cores: float | None, memory_bytes: int | None) -> list[str]:
    return [name for name, value in (("CPU", cpu_cores), ("memory", memory_bytes)) if not value]
