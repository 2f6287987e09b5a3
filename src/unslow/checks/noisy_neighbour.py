"""Another pod on the node takes the cores that these pods would need.

Signature   a full node or measured waiting for cores, and one pod of others that uses more than it reserves and than these pods
Look-alike  node_saturated: many small users; cpu_throttled: the pods' own limit; a busy neighbour on an idle node
Blind to    neighbours on the same machine below the node (steal time hints at them); cache and memory bandwidth
Reference   cgroup cpu.weight: without contention requests mean nothing, with it they decide
"""

from __future__ import annotations

from unslow.evidence.cluster import Neighbour, Node, Nodes, Pods, Services
from unslow.evidence.cpu import Cpu
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.cluster_claims import behind
from unslow.measure.cluster_nodes import largest_neighbour, load, machine_of, of_target
from unslow.measure.cluster_sizing import millicores
from unslow.measure.cluster_stretch import is_beside, starved, without_core_ratio

LARGE = 0.25
"""Of the node's cores."""
BORROWED = 1.2


def check(
    nodes: Nodes,
    pods: Pods | None = None,
    services: Services | None = None,
    cpu: Cpu | None = None,
    account: Account | None = None,
) -> Finding | Clear | Skipped:
    machine = machine_of(pods, cpu)
    loads = [load(node, machine) for node in of_target(nodes)]
    if not loads:
        return Clear("no node runs a pod of the workload")
    if machine is None and all(one.used_ratio is None and one.node.cpu_pressure_ratio is None for one in loads):
        return Skipped("usage")
    waiting = behind(account, "cpu contended", normal=False)
    # Threads that wait for a core prove that cores are missing, also where a node does not know of its own machine.
    suspects = [
        (one, neighbour)
        for one in loads
        if (one.is_full or waiting.claims)
        and (neighbour := largest_neighbour(one.node))
        and _takes(neighbour, one.node)
        and (neighbour.cores or 0.0) > _own_cores(pods, one.node)
    ]
    if not suspects:
        return Clear("; ".join(one.words for one in loads[:3]))
    node, neighbour = max(suspects, key=lambda one: one[1].cores or 0.0)
    beside = is_beside(services, (one.node.name for one, _ in suspects))
    without_core = without_core_ratio(cpu) if beside else 0.0
    claims = starved(account, without_core) or waiting.claims
    if not claims and account and account.of_kind("cpu contended"):
        return Clear(f"{node.words}; {waiting.words}")
    return Finding(
        title=f"pod {neighbour.namespace}/{neighbour.pod} takes the cores of the node",
        because=(
            f"it uses {millicores(neighbour.cores or 0.0)} and reserves {millicores(neighbour.cpu_request_cores)}; "
            f"{node.words}; {waiting.words}{_beside(without_core)}"
        ),
        place=f"node {node.node.name}",
        claims=claims,
        confidence=0.8 if claims else 0.55,
        keeps_waiting=True,
        next_steps=(
            f"give {neighbour.namespace}/{neighbour.pod} a request that matches its use, or a CPU limit",
            "keep the two apart: anti-affinity, or a node pool of its own",
        ),
        fixes=("limit_neighbour", "spread_pods"),
        evidence=("nodes",),
    )


def _beside(without_core: float) -> str:
    if not without_core:
        return ""
    return f"; threads that could run have no core for {without_core:.0%} of the time, here and in what is called on the node"


def _takes(one: Neighbour, node: Node) -> bool:
    used = one.cores or 0.0
    return used >= LARGE * node.allocatable_cores and used > BORROWED * one.cpu_request_cores


def _own_cores(pods: Pods | None, node: Node) -> float:
    """What the target itself uses of the node."""
    here = [pod for pod in (pods.live if pods else ()) if pod.node == node.name]
    return sum(one.usage.cores or 0.0 for pod in here for one in pod.containers if one.usage)
