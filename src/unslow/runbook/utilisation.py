"""How full containers and nodes are: limits, throttling, memory, pressure, pending pods."""

from __future__ import annotations

from collections.abc import Sequence

from unslow.collect.cluster_node_pod import NODE
from unslow.collect.promql import quoted
from unslow.evidence.cluster import Container, Node, NodeNetwork, Pod
from unslow.measure.cluster_network import conntrack_ratio, retransmitted_ratio
from unslow.runbook.situation import Situation, shortened, table
from unslow.runbook.step import Gap, Outcome

TITLE = "Resource utilisation"
SECTION = "Warning Level Alerts 2"
ASKS = "Is a container at its limit, stopped by its quota or killed for memory, and is a node full?"
_CHECKS = (
    "cpu_throttled", "memory_pressure", "requests_missing", "requests_undersized", "node_saturated", "noisy_neighbour",
    "pods_pending", "hpa_at_max", "hpa_blind", "hpa_missing", "hpa_flapping", "quota_blocks_scaling", "vpa_ignored",
)  # fmt: skip

_CONTAINERS = ("CONTAINER", "CPU", "REQUEST", "LIMIT", "THROTTLED", "MEMORY", "LIMIT", "PRESSURE", "LAST END")
_NODES = ("NODE", "PODS", "CPU REQUESTED", "CPU USED", "MEMORY REQUESTED", "MEMORY USED", "CONDITIONS", "TAINTS")
_WAITING = ("NODE", "WAIT FOR CPU", "MEMORY", "IO", "STOLEN", "DISK BUSY", "CONNTRACK", "SENT AGAIN")
_THROTTLED = "sum by (pod, container) (rate(container_cpu_cfs_%speriods_total{namespace=%s}[5m]))"


def commands(situation: Situation) -> tuple[str, ...]:
    namespace = situation.namespace
    return (
        f"kubectl top pods -n {namespace} --containers",
        'kubectl describe nodes | grep -A10 "Allocated resources"',
        " / ".join(_THROTTLED % (kind, quoted(namespace)) for kind in ("throttled_", "")),
    )


def run(situation: Situation) -> Outcome:
    rows = [_row(pod, one) for pod in situation.pods for one in pod.containers if not one.init]
    nodes = situation.cluster.nodes.nodes if situation.cluster.nodes else ()
    mine = [node for node in nodes if node.target_pods] or list(nodes)
    means = situation.causes(*_CHECKS)
    pending = [
        f"{pod.name} is Pending: {pod.unschedulable or 'no reason given'}" for pod in situation.pods if not pod.node
    ]
    return Outcome(
        state="done" if situation.pods or nodes else "unavailable",
        result=(*table(_CONTAINERS, rows), *table(_NODES, map(_node, mine)), *_waiting(situation, mine)),
        means=(*means, *pending) or ("No container is at a limit, and no node is full.",),
        gaps=(*situation.gaps("pods", "nodes", "autoscalers", "quotas"), *_of_the_node(situation, mine)),
    )


def _waiting(situation: Situation, nodes: Sequence[Node]) -> tuple[str, ...]:
    """What node-exporter or a pod on the node read; nothing where nobody did."""
    network = situation.cluster.network
    parts = {part.name: part for part in (network.parts if network else ()) if part.scope == "node"}
    known = [node for node in nodes if node.cpu_pressure_ratio is not None or node.name in parts]
    return table(_WAITING, [_waits(node, parts.get(node.name)) for node in known]) if known else ()


def _waits(node: Node, part: NodeNetwork | None) -> tuple[str, ...]:
    shares = (
        node.cpu_pressure_ratio,
        node.memory_pressure_ratio,
        node.io_pressure_ratio,
        node.steal_ratio,
        node.disk_busy_ratio,
        conntrack_ratio(part) if part else None,
        retransmitted_ratio(part) if part else None,
    )
    return (node.name, *("not known" if share is None else f"{share:.1%}" for share in shares))


def _of_the_node(situation: Situation, nodes: Sequence[Node]) -> tuple[Gap, ...]:
    """What only a node knows, and was not read: by name, with the way to it."""
    pressed = any(node.cpu_pressure_ratio is not None for node in nodes)
    parts = situation.cluster.network.parts if situation.cluster.network else ()
    counted = any(part.conntrack_count is not None for part in parts)
    unknown = [] if pressed else ["how long its tasks wait (PSI)"]
    unknown += [] if counted else ["how full its table of connections is (conntrack)"]
    if not nodes or not unknown:
        return ()
    read = "cat /proc/pressure/cpu /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max"
    refused = next((probe for probe in situation.evidence.probes if probe.name == NODE and probe.result != "ok"), None)
    asked = (
        f"{refused.missing}: {refused.remedy}" if refused else "let Prometheus scrape node-exporter, or --allow node"
    )
    return (
        Gap(
            f"of node {nodes[0].name}: {' and '.join(unknown)}",
            f"{asked}; by hand: kubectl debug node/{nodes[0].name} -n {situation.namespace} -it "
            f"--image={situation.options.probe_image} --profile=sysadmin -- {read}; it takes the right to create pods and "
            f"Pod Security level privileged in {situation.namespace}, not Fargate, and the pod is to be deleted afterwards",
        ),
    )


def _row(pod: Pod, one: Container) -> tuple[str, ...]:
    usage = one.usage
    throttled = usage.throttled_ratio if usage else None
    pressure = usage.cpu_pressure_ratio if usage else None
    ended = one.last_termination
    return (
        f"{shortened(pod.name, 34)}/{one.name}",
        _cores(usage.cores if usage else None),
        _cores(one.cpu_request_cores),
        _cores(one.cpu_limit_cores),
        "-" if throttled is None else f"{throttled:.0%} of periods",
        _mebibytes(usage.memory_bytes if usage else None),
        _mebibytes(one.memory_limit_bytes),
        "-" if pressure is None else f"{pressure:.0%}",
        "-" if ended is None else f"{ended.reason} ({ended.exit_code})",
    )


def _node(node: Node) -> tuple[str, ...]:
    pressed = [one.type for one in node.conditions if one.type != "Ready" and one.status == "True"]
    state = ["Ready" if node.ready else "NotReady", *pressed, *(["cordoned"] if node.cordoned else [])]
    return (
        node.name,
        f"{node.pods} of {node.allocatable_pods}",
        _share(node.requested_cores, node.allocatable_cores),
        _share(node.used_cores, node.allocatable_cores),
        _share(node.requested_bytes, node.allocatable_bytes),
        _share(node.used_bytes, node.allocatable_bytes),
        ",".join(state),
        ",".join(f"{taint.key}:{taint.effect}" for taint in node.taints) or "-",
    )


def _cores(value: float | None) -> str:
    return "-" if value is None else f"{value * 1000:.0f}m"


def _mebibytes(value: int | None) -> str:
    return "-" if value is None else f"{value / 2**20:.0f}Mi"


def _share(part: float | None, whole: float) -> str:
    return "-" if part is None or not whole else f"{part / whole:.0%}"
