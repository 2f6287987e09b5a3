"""A node that runs the pods has no idle cores, or is short of memory, disk or network.

Signature   cores in use or pressure (PSI) at the node, its conditions, time stolen by the machine below
Look-alike  reserved is not used: a node can be fully reserved and idle; cpu_throttled: a quota on an idle node
Blind to    burst credits and disk allowances that the cloud does not show
Reference   USE method for the node: utilization, saturation, errors
"""

from __future__ import annotations

from unslow.evidence.cluster import Node, Nodes, Pods
from unslow.evidence.cpu import Cpu
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.cluster_claims import Behind, behind
from unslow.measure.cluster_nodes import PRESSURE, busiest_of_target, machine_of, of_target

DISK_BUSY = 0.9


def check(
    nodes: Nodes, pods: Pods | None = None, cpu: Cpu | None = None, account: Account | None = None
) -> Finding | Clear | Skipped:
    machine = machine_of(pods, cpu)
    busy = busiest_of_target(nodes, machine)
    if busy is None:
        return Clear("no node runs a pod of the workload")
    short = [words for node in of_target(nodes) for words in _short_of(node)]
    if not busy.is_full and not short:
        known = machine or busy.used_ratio is not None or busy.node.cpu_pressure_ratio is not None
        return Clear(busy.words) if known else Skipped("usage")
    waiting = behind(account, "cpu contended", normal=True) if busy.is_full else behind(account, "db query", "log")
    claims = waiting.claims if busy.is_full else ()
    if not claims and not short and account and account.of_kind("cpu contended"):
        return Clear(f"{busy.words}; {waiting.words}")
    said = [busy.words] if busy.is_full else []
    return Finding(
        title="a node of the pods is saturated",
        because=f"{'; '.join([*said, *short])}; 1 of {len(of_target(nodes))} nodes with its pods; {waiting.words}",
        place=f"node {busy.node.name}",
        claims=claims,
        confidence=0.6 if claims else 0.45,
        next_steps=_next_steps(busy.node, waiting if claims else None),
        fixes=("spread_pods",),
        evidence=("nodes",),
    )


def _short_of(node: Node) -> list[str]:
    words = [
        f"node {node.name} has {one.type}: {one.reason or one.message or '1 condition'}"
        for one in node.conditions
        if one.status == "True" and one.type.endswith("Pressure")
    ]
    if not node.ready:
        words.append(f"node {node.name} is not ready")
    if (node.io_pressure_ratio or 0.0) >= PRESSURE:
        words.append(f"tasks of node {node.name} wait for its disks {node.io_pressure_ratio or 0.0:.0%} of the time")
    elif (node.disk_busy_ratio or 0.0) >= DISK_BUSY:
        words.append(f"a disk of node {node.name} is busy {node.disk_busy_ratio or 0.0:.0%} of the time")
    if (node.memory_pressure_ratio or 0.0) >= PRESSURE:
        words.append(f"tasks of node {node.name} wait for memory {node.memory_pressure_ratio or 0.0:.0%} of the time")
    return words


def _next_steps(node: Node, waiting: Behind | None) -> tuple[str, ...]:
    steps = [
        f"see who uses it: kubectl top pods -A --sort-by=cpu, and kubectl describe node {node.name}",
        "give the pods requests that match their use, so that the scheduler spreads them",
    ]
    if waiting is not None:
        size = node.instance_type or f"{node.capacity_cores:.0f} cores"
        steps.append(f"then more nodes, or larger ones than {size}: {waiting.words} are behind it")
    return tuple(steps)
