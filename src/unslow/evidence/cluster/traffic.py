"""How requests and packets get to the pods and from them: services, policies, names, the network, the mesh."""

from __future__ import annotations

from typing import Literal

import msgspec


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    address: str
    pod: str = ""
    node: str = ""
    zone: str = ""
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    zone_hints: tuple[str, ...] = ()
    throttled_container: str = ""
    """Of its pod, the one that its CPU quota stops most often."""
    throttled_ratio: float | None = None
    """Its periods with a stop over all, 0..1; None: nobody counted."""


class ServicePort(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    port: int
    target: str = ""
    """Number or name."""
    matches: bool | None = None
    """Whether a container of the selected pods declares or listens on the target port; None: not known."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    namespace: str
    kind: str = "ClusterIP"
    """ClusterIP, Headless, NodePort, LoadBalancer, ExternalName."""
    selector: tuple[tuple[str, str], ...] = ()
    selects: int | None = None
    """Pods that the selector matches."""
    ports: tuple[ServicePort, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    """From its EndpointSlices."""
    session_affinity: str = "None"
    traffic_distribution: str = ""
    """PreferClose, or the topology-mode annotation."""
    external_traffic_policy: str = ""
    internal_traffic_policy: str = "Cluster"
    role: Literal["target", "dependency"] = "target"
    """Whether it leads to the target, or the target calls it."""


class Services(msgspec.Struct, frozen=True, kw_only=True):
    services: tuple[Service, ...]


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that was seen to fail, or that the policies do not allow though the target makes it."""

    source: str
    destination: str
    """host:port, or `dns`."""
    seen: bool
    """True: a probe or a flow log saw the drop; False: it follows from the rules alone."""
    policy: str = ""


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """NetworkPolicies (and their Cilium and Calico kin) that select the target's pods."""

    names: tuple[str, ...] = ()
    default_deny_ingress: bool = False
    default_deny_egress: bool = False
    allows_dns: bool | None = None
    """Whether the egress rules let port 53 out; None: no egress rule."""
    enforced: bool | None = None
    """Whether the cluster's network plugin enforces policies at all."""
    blocked: tuple[Blocked, ...] = ()


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """One name, looked up from the target's own network namespace during the window."""

    name: str
    times_s: tuple[float, ...]
    failures: int = 0
    queries: int | None = None
    """Questions sent for one answer: search domains times address families."""


class Dns(msgspec.Struct, frozen=True, kw_only=True):
    ndots: int | None = None
    """Of the pod's resolv.conf."""
    search_domains: int = 0
    node_local_cache: bool | None = None
    lookups: tuple[Lookup, ...] = ()
    server_pods: int | None = None
    server_ready: int | None = None
    server_mean_s: float | None = None
    """CoreDNS' own answering time in the window."""
    server_p99_s: float | None = None
    server_requests_per_s: float | None = None
    server_error_ratio: float | None = None
    """SERVFAIL over all answers."""
    server_nxdomain_ratio: float | None = None
    server_cores: float | None = None
    """Of the busiest pod."""
    server_limit_cores: float | None = None
    server_throttled_ratio: float | None = None


class NodeNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """Of one node (or of one pod's network namespace); differences over `over_s`."""

    name: str
    scope: Literal["node", "pod"] = "node"
    segments_out: int | None = None
    retransmitted: int | None = None
    timeouts: int | None = None
    """Retransmission timeouts: each costs at least 200 ms."""
    opening_retransmitted: int = 0
    """Of the timeouts, those of packets that open a connection: each costs at least a second."""
    drops: int | None = None
    """Packets dropped at its interfaces, both directions."""
    conntrack_count: int | None = None
    conntrack_max: int | None = None
    conntrack_drops: int | None = None
    """insert_failed + drop + early_drop."""
    listen_drops: int | None = None
    allowance_exceeded: int | None = None
    """Packets that the cloud's instance allowance queued or dropped (ENA counters)."""
    rtt_s: float | None = None
    over_s: float | None = None
    """Seconds that the differences cover; None: the window."""


class Network(msgspec.Struct, frozen=True, kw_only=True):
    parts: tuple[NodeNetwork, ...]


class Mesh(msgspec.Struct, frozen=True, kw_only=True):
    """The sidecar (or waypoint) between callers and the target."""

    kind: str
    """istio, linkerd, ..."""
    version: str = ""
    mutual_tls: str = ""
    """STRICT, PERMISSIVE, DISABLE."""
    proxy_mean_s: float | None = None
    """Time a request spends in the target's own proxies: proxy's duration minus the application's."""
    proxy_requests: float = 0.0
    proxy_cores: float | None = None
    """Of the busiest proxy."""
    proxy_limit_cores: float | None = None
    proxy_throttled_ratio: float | None = None
    retries_per_s: float | None = None
    overflow_per_s: float | None = None
    """Requests refused by its circuit breaker."""


class Cni(msgspec.Struct, frozen=True, kw_only=True):
    """The network plugin and kube-proxy."""

    kind: str
    """aws-node, calico, cilium, flannel, ..."""
    version: str = ""
    proxy_mode: str = ""
    """iptables, ipvs, nftables, or none where the plugin replaces kube-proxy."""
    services: int | None = None
    rules: int | None = None
    """iptables rules on a node."""
    sync_p99_s: float | None = None
    """kube-proxy: time to program a change."""
    free_addresses: int | None = None
