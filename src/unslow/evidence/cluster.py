"""What a Kubernetes target shows: objects as the API server has them, and readings of its containers and nodes.

One optional part per source, so that a source that cannot be read leaves the others standing: each part
is a section of its own to the checks, under the name it has in `Cluster`, and the collector that fills it
runs under the same name. "Window" is the window of the evidence; counters are differences over it.
Quantities are cores (0.25 is `250m`), bytes and seconds; an empty text or `None` says that it is not known.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Of one container."""

    cores: float | None = None
    """Mean over the window."""
    cores_max: float | None = None
    """Highest reading over `looked_back_s`."""
    cores_p95: float | None = None
    """Over `looked_back_s`."""
    memory_bytes: int | None = None
    """Working set, latest."""
    memory_max_bytes: int | None = None
    """Highest working set over `looked_back_s`."""
    looked_back_s: float = 0.0
    """How far back the highest readings reach; 0: no history."""
    cfs_periods: int | None = None
    cfs_throttled_periods: int | None = None
    cfs_throttled_s: float | None = None
    cfs_period_s: float = 0.1
    """Of the quota, as the kubelet is configured."""
    cpu_pressure_ratio: float | None = None
    """PSI some: share of the window in which a task waited for a core."""
    memory_pressure_ratio: float | None = None
    major_faults_per_s: float | None = None

    @property
    def throttled_ratio(self) -> float | None:
        """0..1; None when the counters were not read."""
        if self.cfs_periods is None or self.cfs_throttled_periods is None:
            return None
        return self.cfs_throttled_periods / self.cfs_periods if self.cfs_periods else 0.0


class Handler(msgspec.Struct, frozen=True, kw_only=True):
    """A liveness, readiness or startup probe as configured (the API server's defaults filled in)."""

    kind: Literal["liveness", "readiness", "startup"]
    action: str = ""
    """`http /healthz:8000`, `tcp 8000`, `exec`, `grpc 9000`."""
    initial_delay_s: float = 0.0
    period_s: float = 10.0
    timeout_s: float = 1.0
    failure_threshold: int = 3
    success_threshold: int = 1
    failures: int | None = None
    """Failed probes of this container in the window (kubelet's counter) or in `events`; None: not known."""
    message: str = ""
    """The kubelet's words on the last failure."""


class Termination(msgspec.Struct, frozen=True, kw_only=True):
    """How a container's last run ended."""

    reason: str
    """OOMKilled, Error, Completed, ..."""
    exit_code: int
    started_s: float | None = None
    ended_s: float | None = None


class Container(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    image: str = ""
    image_id: str = ""
    """Digest."""
    image_bytes: int | None = None
    """As the node lists it."""
    sidecar: bool = False
    """A mesh proxy or another helper that was injected, not the application."""
    init: bool = False
    ready: bool = False
    state: str = ""
    """running, or the reason that it waits or ended: CrashLoopBackOff, ImagePullBackOff, ..."""
    started_s: float | None = None
    restarts: int = 0
    restarts_in_window: int | None = None
    last_termination: Termination | None = None
    cpu_request_cores: float | None = None
    cpu_limit_cores: float | None = None
    memory_request_bytes: int | None = None
    memory_limit_bytes: int | None = None
    usage: Usage | None = None
    probes: tuple[Handler, ...] = ()


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """How a pod came up; each duration in seconds, None when its events are gone."""

    scheduling_s: float | None = None
    """Created until a node was chosen."""
    pull_s: float | None = None
    """All images together; 0: they were on the node already."""
    pulled_bytes: int | None = None
    init_s: float | None = None
    """Init containers."""
    starting_s: float | None = None
    """Application container started until the pod was ready: imports, warm-up and the probe's own delays."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Of the requests that one pod served in the window, from its own timer or the mesh's."""

    requests: float
    mean_s: float
    p99_s: float | None = None
    requests_per_s: float | None = None


class Pod(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    namespace: str
    node: str = ""
    """Empty: not scheduled."""
    zone: str = ""
    version: str = ""
    """Pod template hash, or the application's version label."""
    phase: str = "Running"
    ready: bool = False
    ready_since_s: float | None = None
    terminating: bool = False
    qos: Literal["Guaranteed", "Burstable", "BestEffort", ""] = ""
    created_s: float | None = None
    unschedulable: str = ""
    """The scheduler's own words, when it found no node."""
    host_network: bool = False
    containers: tuple[Container, ...] = ()
    start: Start | None = None
    latency: Latency | None = None
    open_connections: float | None = None
    """Mean number of established connections to the pod's serving port."""

    @property
    def application(self) -> tuple[Container, ...]:
        """Its containers without sidecars and init containers."""
        return tuple(one for one in self.containers if not one.sidecar and not one.init)


class Pods(msgspec.Struct, frozen=True, kw_only=True):
    """The pods of the workload."""

    pods: tuple[Pod, ...]
    looked_into: str = ""
    """The pod whose requests, sockets, threads and profile the other sections hold; empty: they are of all pods."""

    @property
    def live(self) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.pods if not pod.terminating and pod.phase in {"Running", "Pending"})


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the rollout history, a ReplicaSet or a ControllerRevision."""

    number: int
    at_s: float
    """When it was created."""
    version: str = ""
    """As its pods have it (`Pod.version`)."""
    images: tuple[str, ...] = ()
    who: str = ""
    """From the audit log, the field manager or the change-cause annotation."""
    changed: tuple[str, ...] = ()
    """Against the revision before, in words: `image a:1 -> a:2`, `env FEATURE added`."""
    pods: int = 0
    """Pods of this revision now."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    status: Literal["True", "False", "Unknown"] = "True"
    reason: str = ""
    message: str = ""
    since_s: float | None = None


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """The Deployment, StatefulSet or DaemonSet that owns the target's pods."""

    kind: str
    namespace: str
    name: str
    replicas_wanted: int
    replicas_ready: int
    replicas_updated: int | None = None
    revisions: tuple[Revision, ...] = ()
    """Oldest first."""
    conditions: tuple[Condition, ...] = ()
    managed_by: str = ""
    """argocd, flux, helm, ...: what would revert a change by hand."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was changed in the cluster, other than a rollout: config map, scale, node, autoscaler."""

    at_s: float
    what: str
    where: str
    who: str = ""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    changes: tuple[Change, ...]
    looked_back_s: float


class Taint(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    value: str = ""
    effect: str = "NoSchedule"


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """Another pod on a node of the target."""

    namespace: str
    pod: str
    cores: float | None = None
    """Mean over the window."""
    memory_bytes: int | None = None
    cpu_request_cores: float = 0.0
    memory_request_bytes: int = 0
    cpu_limit_cores: float | None = None


class Node(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    zone: str = ""
    instance_type: str = ""
    target_pods: int = 0
    """Pods of the workload on it."""
    pods: int = 0
    ready: bool = True
    cordoned: bool = False
    created_s: float | None = None
    capacity_cores: float = 0.0
    allocatable_cores: float = 0.0
    requested_cores: float = 0.0
    used_cores: float | None = None
    capacity_bytes: int = 0
    allocatable_bytes: int = 0
    requested_bytes: int = 0
    used_bytes: int | None = None
    allocatable_pods: int = 110
    cpu_pressure_ratio: float | None = None
    memory_pressure_ratio: float | None = None
    io_pressure_ratio: float | None = None
    steal_ratio: float | None = None
    disk_busy_ratio: float | None = None
    conditions: tuple[Condition, ...] = ()
    taints: tuple[Taint, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    """Largest users of the node's cores that are not the target."""


class Nodes(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes of the cluster (`target_pods` > 0: those that run the workload)."""

    nodes: tuple[Node, ...]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event about the workload, its pods or its nodes; the API server forgets them after about an hour."""

    first_s: float
    last_s: float
    count: int = 1
    kind: str
    """Of the object."""
    name: str
    type: Literal["Normal", "Warning"] = "Normal"
    reason: str
    message: str = ""


class Events(msgspec.Struct, frozen=True, kw_only=True):
    events: tuple[Event, ...]

    def of_reason(self, *reasons: str) -> tuple[Event, ...]:
        return tuple(event for event in self.events if event.reason in reasons)


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    address: str
    pod: str = ""
    node: str = ""
    zone: str = ""
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    zone_hints: tuple[str, ...] = ()


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


class HpaMetric(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["Resource", "ContainerResource", "Pods", "Object", "External"]
    name: str
    """cpu, memory, or the metric's name."""
    target: float
    """Ratio for utilization (0.8 is 80 % of the request), cores or bytes for a value, else the metric's own unit."""
    target_kind: Literal["Utilization", "AverageValue", "Value"] = "Utilization"
    current: float | None = None
    """Same unit; None: the autoscaler cannot read it."""


class Rescale(msgspec.Struct, frozen=True, kw_only=True):
    at_s: float
    replicas_from: int | None = None
    replicas_to: int


class Hpa(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    target: str
    """`Deployment/NAME`."""
    replicas_min: int = 1
    replicas_max: int
    replicas_now: int
    replicas_desired: int
    metrics: tuple[HpaMetric, ...] = ()
    conditions: tuple[Condition, ...] = ()
    """ScalingActive, AbleToScale, ScalingLimited."""
    rescales: tuple[Rescale, ...] = ()
    """Oldest first, as far back as `rescales_s`."""
    rescales_s: float = 3600.0
    stabilization_down_s: float | None = None


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """Of a VerticalPodAutoscaler, for one container."""

    container: str
    cpu_target_cores: float | None = None
    cpu_lower_cores: float | None = None
    cpu_upper_cores: float | None = None
    memory_target_bytes: int | None = None
    memory_lower_bytes: int | None = None
    memory_upper_bytes: int | None = None


class Vpa(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    update_mode: Literal["Off", "Initial", "Recreate", "Auto", "InPlaceOrRecreate"] = "Auto"
    recommendations: tuple[Recommendation, ...] = ()


class Autoscalers(msgspec.Struct, frozen=True, kw_only=True):
    """Autoscalers that point to the workload; empty when there is none."""

    hpas: tuple[Hpa, ...] = ()
    vpas: tuple[Vpa, ...] = ()
    vpa_installed: bool = False
    metrics_api: bool | None = None
    """Whether metrics.k8s.io answers."""


class NodePool(msgspec.Struct, frozen=True, kw_only=True):
    """A Karpenter NodePool."""

    name: str
    conditions: tuple[Condition, ...] = ()
    limit_cores: float | None = None
    used_cores: float | None = None
    limit_bytes: int | None = None
    used_bytes: int | None = None
    consolidation: str = ""
    """WhenEmpty, WhenEmptyOrUnderutilized."""
    consolidate_after_s: float | None = None
    disruptions_per_h: float | None = None
    """Nodes that it took away, an hour."""


class NodeClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A Karpenter NodeClaim: a node that is wanted, coming, or there."""

    name: str
    pool: str
    created_s: float
    instance_type: str = ""
    conditions: tuple[Condition, ...] = ()
    """Launched, Registered, Initialized, Ready, ..."""


class Provisioning(msgspec.Struct, frozen=True, kw_only=True):
    """Who adds nodes; absent where nobody does."""

    kind: Literal["karpenter", "cluster-autoscaler"] = "karpenter"
    pools: tuple[NodePool, ...] = ()
    claims: tuple[NodeClaim, ...] = ()


class QuotaItem(msgspec.Struct, frozen=True, kw_only=True):
    resource: str
    """requests.cpu, limits.memory, pods, ..."""
    hard: float
    """Cores, bytes or a count."""
    used: float


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    items: tuple[QuotaItem, ...] = ()


class Quotas(msgspec.Struct, frozen=True, kw_only=True):
    """ResourceQuotas of the namespace, and defaults of its LimitRanges."""

    quotas: tuple[Quota, ...] = ()
    default_cpu_limit_cores: float | None = None
    default_memory_limit_bytes: int | None = None


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A PodDisruptionBudget that selects the target's pods."""

    name: str
    min_available: str = ""
    max_unavailable: str = ""
    healthy: int
    desired_healthy: int
    expected: int
    disruptions_allowed: int


class Budgets(msgspec.Struct, frozen=True, kw_only=True):
    budgets: tuple[Budget, ...] = ()


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
    """Of one node (or of one pod's network namespace); differences over the window."""

    name: str
    scope: Literal["node", "pod"] = "node"
    segments_out: int | None = None
    retransmitted: int | None = None
    timeouts: int | None = None
    """Retransmission timeouts: each costs at least 200 ms."""
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
