"""What a Kubernetes target shows: objects as the API server has them, and readings of its containers and nodes.

One optional part per source, so that a source that cannot be read leaves the others standing: each part
is a section of its own to the checks, under the name it has in `Cluster`, and the collector that fills it
runs under the same name. "Window" is the window of the evidence; counters are differences over it.
Quantities are cores (0.25 is `250m`), bytes and seconds; an empty text or `None` says that it is not known.
"""

from __future__ import annotations

import msgspec

from unslow.evidence.cluster.condition import Condition
from unslow.evidence.cluster.nodes import Neighbour, Node, NodeClaim, NodePool, Nodes, Provisioning, Taint
from unslow.evidence.cluster.pods import Container, Handler, Latency, Pod, Pods, RouteLatency, Start, Termination, Usage
from unslow.evidence.cluster.scaling import (
    Autoscalers,
    Budget,
    Budgets,
    Hpa,
    HpaMetric,
    Quota,
    QuotaItem,
    Quotas,
    Recommendation,
    Rescale,
    Vpa,
)
from unslow.evidence.cluster.traffic import (
    Blocked,
    Cni,
    Dns,
    Endpoint,
    Lookup,
    Mesh,
    Network,
    NodeNetwork,
    Policies,
    Service,
    ServicePort,
    Services,
)
from unslow.evidence.cluster.workload import Change, Changes, Event, Events, Revision, Workload

__all__ = [
    "Autoscalers",
    "Blocked",
    "Budget",
    "Budgets",
    "Change",
    "Changes",
    "Cluster",
    "Cni",
    "Condition",
    "Container",
    "Dns",
    "Endpoint",
    "Event",
    "Events",
    "Handler",
    "Hpa",
    "HpaMetric",
    "Latency",
    "Lookup",
    "Mesh",
    "Neighbour",
    "Network",
    "Node",
    "NodeClaim",
    "NodeNetwork",
    "NodePool",
    "Nodes",
    "Pod",
    "Pods",
    "Policies",
    "Provisioning",
    "Quota",
    "QuotaItem",
    "Quotas",
    "Recommendation",
    "Rescale",
    "Revision",
    "RouteLatency",
    "Service",
    "ServicePort",
    "Services",
    "Start",
    "Taint",
    "Termination",
    "Usage",
    "Vpa",
    "Workload",
]


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of the target's cluster; every part may be absent."""

    context: str = ""
    version: str = ""
    """Of the API server."""
    workload: Workload | None = None
    pods: Pods | None = None
    nodes: Nodes | None = None
    events: Events | None = None
    services: Services | None = None
    autoscalers: Autoscalers | None = None
    provisioning: Provisioning | None = None
    quotas: Quotas | None = None
    budgets: Budgets | None = None
    policies: Policies | None = None
    dns: Dns | None = None
    network: Network | None = None
    mesh: Mesh | None = None
    cni: Cni | None = None
    changes: Changes | None = None
