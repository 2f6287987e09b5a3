"""How full nodes are: by what is used, not by what is reserved."""

from __future__ import annotations

import msgspec

from unslow.evidence.cluster import Neighbour, Node, Nodes, Pods
from unslow.evidence.cpu import Cpu

FULL = 0.9
"""Share of a node's cores in use from which runnable threads queue for one."""
PRESSURE = 0.25
"""PSI: a task waited for a core (or for I/O) a quarter of the time."""
PRESSED_USE = 0.7
"""Share of the cores in use from which waiting means that cores are missing: the kernel counts a task that stands still
for its quota as waiting for a core too, on a machine that is idle otherwise."""
STEAL = 0.05
"""Share of the cores' time that the machine below took away."""


class Machine(msgspec.Struct, frozen=True):
    """What the kernel under a pod says of its cores in the latency window."""

    node: str
    busy_ratio: float


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Of one node."""

    node: Node
    used_ratio: float | None
    """Of its allocatable cores."""
    is_full: bool
    words: str


def load(node: Node, machine: Machine | None = None) -> Load:
    """`machine`: what was seen of its cores from inside a pod; it outranks averages of the past minute."""
    seen = machine.busy_ratio if machine and machine.node == node.name else None
    used = node.used_cores / node.allocatable_cores if node.used_cores is not None and node.allocatable_cores else None
    in_use = seen if seen is not None else used or 0.0
    pressed = (node.cpu_pressure_ratio or 0.0) >= PRESSURE and in_use >= PRESSED_USE
    stolen = (node.steal_ratio or 0.0) >= STEAL
    known = []
    if seen is not None:
        known.append(f"its machine's cores were {seen:.0%} busy in the window")
    if used is not None:
        known.append(f"{used:.0%} of its {node.allocatable_cores:.1f} cores are used")
    if node.cpu_pressure_ratio is not None:
        known.append(f"tasks wait for a core {node.cpu_pressure_ratio:.0%} of the time")
    if stolen:
        known.append(f"{node.steal_ratio or 0.0:.0%} of the time is stolen by the machine below")
    # Stolen time says that cores are missing even where use looks moderate; so does pressure where use is high.
    return Load(
        node=node,
        used_ratio=used,
        is_full=in_use >= FULL or pressed or stolen,
        words=f"node {node.name}: {', '.join(known) or 'its use is not known'}",
    )


def machine_of(pods: Pods | None, cpu: Cpu | None) -> Machine | None:
    """The machine under the pod that was looked into; None when nobody looked inside one."""
    name = next((pod.node for pod in pods.pods if pod.name == pods.looked_into), "") if pods else ""
    return Machine(node=name, busy_ratio=cpu.machine_busy_ratio) if name and cpu else None


def of_target(nodes: Nodes) -> tuple[Node, ...]:
    """Nodes that run a pod of the workload."""
    return tuple(node for node in nodes.nodes if node.target_pods > 0)


def busiest_of_target(nodes: Nodes | None, machine: Machine | None = None) -> Load | None:
    """The fullest node that runs the workload; None when no node is known."""
    loads = [load(node, machine) for node in of_target(nodes)] if nodes else []
    return max(loads, key=lambda one: (one.is_full, one.used_ratio or 0.0, one.node.name), default=None)


def largest_neighbour(node: Node) -> Neighbour | None:
    """The other pod that uses most cores of the node."""
    known = [one for one in node.neighbours if one.cores is not None]
    return max(known, key=lambda one: (one.cores or 0.0, one.pod), default=None)


def free_cores(node: Node) -> float:
    """What the scheduler can still promise: allocatable minus requested."""
    return max(0.0, node.allocatable_cores - node.requested_cores)


def free_bytes(node: Node) -> int:
    return max(0, node.allocatable_bytes - node.requested_bytes)
