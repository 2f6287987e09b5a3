"""Pods of the workload find no node, so the others carry their load.

Signature   Pending pods without a node, with the scheduler's reason
Look-alike  slow_cold_start: a node is found and the image is coming; quota_blocks_scaling: the pod is not even created
Blind to    why the cloud has no machine, beyond what the provisioner says
Reference   FailedScheduling events; Karpenter NodePool limits, NodeClaim conditions
"""

from __future__ import annotations

from unslow.evidence.cluster import Nodes, Pod, Pods, Provisioning
from unslow.evidence.window import Window
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.cluster_claims import WAITING, behind
from unslow.measure.cluster_nodes import free_bytes, free_cores
from unslow.measure.cluster_provisioning import obstacles
from unslow.measure.cluster_sizing import mib, millicores

SOON_S = 30.0
"""A scheduler and a provisioner need some seconds for any pod."""


def check(
    pods: Pods,
    window: Window,
    nodes: Nodes | None = None,
    provisioning: Provisioning | None = None,
    account: Account | None = None,
) -> Finding | Clear:
    homeless = [pod for pod in pods.live if pod.phase == "Pending" and not pod.node]
    late = [pod for pod in homeless if pod.created_s is None or window.end_s - pod.created_s >= SOON_S]
    if not late:
        return Clear(f"{len(homeless)} of {len(pods.live)} pods wait for a node, none for {SOON_S:.0f} s")
    waiting = behind(account, *WAITING)
    said = next((pod.unschedulable for pod in late if pod.unschedulable), "the scheduler has not said why")
    blocked = obstacles(provisioning, window.end_s)
    return Finding(
        title="pods find no node",
        because=f"{len(late)} of {len(pods.live)} pods are Pending: {said}{_room(late[0], nodes)}{_since(late, window)}"
        f"{''.join(f'; {words}' for words in blocked)}; {waiting.words}",
        place=f"pod {late[0].name}",
        claims=waiting.claims,
        confidence=waiting.surer(0.9, 0.72),
        keeps_waiting=True,
        next_steps=(*blocked[:1], *_next_steps(late[0], nodes)),
        fixes=("set_requests", "add_nodes"),
        evidence=("pods", "nodes") if nodes else ("pods",),
    )


def _asks(pod: Pod) -> tuple[float, int]:
    """Cores and bytes that its containers reserve together."""
    running = [one for one in pod.containers if not one.init]
    return sum(one.cpu_request_cores or 0.0 for one in running), sum(one.memory_request_bytes or 0 for one in running)


def _room(pod: Pod, nodes: Nodes | None) -> str:
    if nodes is None or not nodes.nodes:
        return ""
    cores, held = _asks(pod)
    most = max(free_cores(node) for node in nodes.nodes)
    most_bytes = max(free_bytes(node) for node in nodes.nodes)
    return (
        f"; it reserves {millicores(cores)} and {mib(held)}, the emptiest of {len(nodes.nodes)} nodes has "
        f"{millicores(most)} and {mib(most_bytes)} left"
    )


def _since(late: list[Pod], window: Window) -> str:
    created = [pod.created_s for pod in late if pod.created_s is not None]
    return f", for {window.end_s - min(created):.0f} s" if created else ""


def _next_steps(pod: Pod, nodes: Nodes | None) -> tuple[str, ...]:
    cores, held = _asks(pod)
    if nodes and nodes.nodes and cores > max(node.allocatable_cores for node in nodes.nodes):
        return (f"no node is large enough for {millicores(cores)}: lower the request of {pod.name} to what it uses",)
    if nodes and nodes.nodes and held > max(node.allocatable_bytes for node in nodes.nodes):
        return (f"no node is large enough for {mib(held)}: lower the memory request of {pod.name} to what it holds",)
    return ("lower the requests to what the pods use, or add a node; then: kubectl get pods -o wide",)
