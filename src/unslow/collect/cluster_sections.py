"""The answers of the API server -> sections of evidence, each on its own: one refusal leaves the others standing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from unslow.collect import (
    cilium_policies,
    cluster_cni,
    cluster_counters,
    cluster_dns,
    cluster_events,
    cluster_guards,
    cluster_history,
    cluster_nodes,
    cluster_pods,
    cluster_readings,
    cluster_scaling,
    cluster_services,
)
from unslow.collect.attempts import Attempts
from unslow.collect.cluster_monitored import Monitored
from unslow.collect.cluster_nodes import Tenants
from unslow.collect.cluster_questions import Answer, Bare, First, Late, Second, meta_of
from unslow.collect.cluster_readings import Differences, KubeletPage
from unslow.collect.cluster_target import Resolved
from unslow.collect.exposition import Samples
from unslow.errors import Unavailable
from unslow.evidence.cluster import (
    Autoscalers,
    Budgets,
    Changes,
    Cni,
    Dns,
    Events,
    Latency,
    Nodes,
    Pods,
    Policies,
    Provisioning,
    Quotas,
    Services,
    Usage,
    Workload,
)
from unslow.evidence.window import Window
from unslow.kube import core
from unslow.kube.errors import Unreachable
from unslow.kube.events import Event
from unslow.kube.meta import Meta

RUNG = "api"

if TYPE_CHECKING:
    from unslow.collect.cluster_ladder import Chooser

KUBELET = "kubelet"


@dataclass(slots=True)
class Last:
    """What is read once more at the end of the window."""

    pods: Answer[list[core.Pod]]
    events: Answer[list[Event]]
    kubelets: list[Answer[str]]
    dns_pages: list[tuple[Samples, Samples]] = field(default_factory=list)
    latencies: dict[str, Latency] = field(default_factory=dict)
    """By pod."""
    path: str = ""
    """That was requested; empty: none was."""
    path_by: Chooser = "user"
    looked_into: str = ""
    """The pod that the sections from inside are of."""
    dns: Dns | None = None
    """What was looked up from inside it."""
    usage: dict[tuple[str, str], Usage] = field(default_factory=dict)
    """By pod and container: its own CPU counters."""
    called: frozenset[str] = frozenset()
    """Services that it was seen to call."""
    monitored: Monitored = field(default_factory=Monitored)
    """What Prometheus and pods on the nodes told."""


class Sections:
    """Makes the parts of `Cluster`; raises what the source raised."""

    def __init__(
        self,
        resolved: Resolved,
        groups: frozenset[str],
        first: First,
        second: Second,
        late: Late,
        last: Last,
        window: Window,
    ) -> None:
        self._resolved = resolved
        self._groups = groups
        self._first = first
        self._second = second
        self._late = late
        self._last = last
        self._window = window
        self._labels = resolved.workload.spec.template.metadata.labels
        self._differences: Differences | None = None
        self.config: dict[str, Answer[Bare]] = {}

    def fill(self, attempts: Attempts) -> dict[str, object]:
        """All sections that could be made, by name."""
        self._differences = self._last.monitored.containers or attempts.run("kubelet", KUBELET, self._kubelets)
        attempts.run("metrics_api", RUNG, self._metrics_api)
        makers: dict[str, Callable[[], object]] = {
            "workload": self._workload,
            "pods": self._pods,
            "nodes": self._nodes,
            "events": self._events,
            "services": self._services,
            "autoscalers": self._autoscalers,
            "provisioning": self._provisioning,
            "quotas": self._quotas,
            "budgets": self._budgets,
            "policies": self._policies,
            "dns": self._dns,
            "cni": self._cni,
            "changes": self._changes,
        }
        made: dict[str, object] = {name: attempts.run(name, RUNG, make) for name, make in makers.items()}
        made["network"] = self._last.monitored.network()
        pods = made["pods"]
        made["mesh"] = self._last.monitored.on_mesh(pods) if isinstance(pods, Pods) else None
        return {name: section for name, section in made.items() if section is not None}

    def _kubelets(self) -> Differences:
        if self._second.target_nodes and not self._second.kubelets:
            raise Unavailable("a window over which to take rates", "use `unslow diagnose`, which measures one")
        if not self._second.kubelets:
            raise Unavailable("a node that runs the workload", "look at why its pods are not scheduled")
        first, last = KubeletPage(), KubeletPage()
        for before, after in zip(self._second.kubelets, self._last.kubelets, strict=True):
            first.add(before())
            last.add(after())
        return Differences(first, last)

    def _metrics_api(self) -> bool:
        if self._first.own_metrics is None:
            raise Unavailable("the metrics API (metrics.k8s.io)", "install metrics-server: `kubectl top` needs it too")
        self._first.own_metrics()
        return True

    def _own_usage(self) -> dict[tuple[str, str], Usage]:
        metrics = self._first.own_metrics.otherwise([]) if self._first.own_metrics else []
        known = cluster_readings.usage(self._resolved.namespace, metrics, self._differences)
        return known | {key: cluster_counters.over(known.get(key), own) for key, own in self._last.usage.items()}

    def _nodes_by_name(self) -> dict[str, core.Node]:
        return {node.metadata.name: node for node in self._first.early.nodes.otherwise([])}

    def _own_pods(self) -> Answer[list[core.Pod]]:
        """As they are at the end of the window; as they were before it where there was no time to ask again."""
        return self._last.pods if self._last.pods.is_there() else self._first.pods

    def _own_events(self) -> Answer[list[Event]]:
        return self._last.events if self._last.events.is_there() else self._first.early.events

    def _pods_now(self) -> list[core.Pod]:
        """At the end of the window; at its start, when the API server has gone since."""
        try:
            return self._last.pods()
        except Unreachable:
            return self._first.pods()

    def _known_pods(self) -> list[core.Pod]:
        try:
            return self._pods_now()
        except Unavailable:
            return []

    def _events_now(self) -> list[Event]:
        try:
            return self._last.events()
        except Unreachable:
            return self._first.early.events()

    def _last_events(self) -> list[Event] | None:
        try:
            return self._own_events()()
        except Unavailable:
            return None

    def _workload(self) -> Workload:
        sets = self._first.sets.otherwise([]) if self._first.sets else []
        revisions = self._first.revisions.otherwise([]) if self._first.revisions else []
        found = self._resolved.workload
        return cluster_history.workload(self._resolved.kind, found, sets, revisions, self._own_pods().otherwise([]))

    def _pods(self) -> Pods:
        events = self._last_events()
        context = cluster_pods.Context(
            nodes=self._nodes_by_name(),
            usage=self._own_usage(),
            events=None if events is None else cluster_pods.by_uid(events),
            restarts_before=cluster_pods.restarts(self._first.pods()),
            latencies=self._last.latencies,
        )
        found = cluster_pods.pods(self._own_pods()(), context)
        return self._last.monitored.on_pods(replace(found, looked_into=self._last.looked_into))

    def _nodes(self) -> Nodes:
        nodes = self._first.early.nodes()
        metrics = self._first.pod_metrics.otherwise([]) if self._first.pod_metrics else []
        used = self._first.node_metrics.otherwise([]) if self._first.node_metrics else []
        tenants = Tenants(
            target=frozenset((pod.metadata.namespace, pod.metadata.name) for pod in self._own_pods().otherwise([])),
            pods=self._second.tenant_pods(),
            complete=self._second.complete,
            used=cluster_readings.used_by_pods(metrics, self._differences),
        )
        made = cluster_nodes.nodes(nodes, tenants, cluster_readings.used_by_nodes(used))
        return self._last.monitored.on_nodes(made)

    def _events(self) -> Events:
        own = {("Pod", pod.metadata.name) for pod in self._own_pods().otherwise([])}
        own |= {(self._resolved.kind, self._resolved.name), ("HorizontalPodAutoscaler", self._resolved.name)}
        own |= {
            ("ReplicaSet", one.metadata.name) for one in (self._first.sets.otherwise([]) if self._first.sets else [])
        }
        own |= {("Node", name) for name in self._second.target_nodes}
        hpas = [
            one for one in self._first.early.hpas.otherwise([]) if one.spec.scale_target_ref.name == self._resolved.name
        ]
        own |= {("HorizontalPodAutoscaler", one.metadata.name) for one in hpas}
        sets = tuple(f"{name}-" for kind, name in own if kind in {"ReplicaSet", self._resolved.kind})
        found = [*self._own_events()(), *self._first.early.node_events.otherwise([])]
        gone = {
            event.involved_object.uid
            for event in found
            if event.involved_object.kind == "Pod" and event.involved_object.name.startswith(sets)
        }
        return cluster_events.events(cluster_events.concerning(found, own, gone - {""}))

    def _services(self) -> Services:
        return cluster_services.services(
            self._first.early.services(),
            self._first.early.slices(),
            self._resolved.workload,
            self._own_pods().otherwise([]),
            cluster_readings.usage(self._resolved.namespace, [], self._differences),
            self._last.called,
        )

    def _autoscalers(self) -> Autoscalers:
        return cluster_scaling.autoscalers(
            self._resolved.kind,
            self._resolved.name,
            self._first.early.hpas(),
            self._first.vpas() if self._first.vpas else None,
            self._last_events() or [],
            metrics_api=self._first.own_metrics is not None,
        )

    def _provisioning(self) -> Provisioning:
        if self._first.pools is None or self._first.claims is None:
            raise Unavailable("Karpenter (karpenter.sh)", "nothing to do where nodes are added in another way")
        return cluster_scaling.karpenter(
            self._first.pools(), self._first.claims(), self._first.early.node_events.otherwise([])
        )

    def _quotas(self) -> Quotas:
        return cluster_guards.quotas(self._late.quotas(), self._late.ranges.otherwise([]))

    def _budgets(self) -> Budgets:
        return cluster_guards.budgets(self._late.budgets(), self._labels)

    def _policies(self) -> Policies:
        cni = cluster_cni.cni(self._late.daemons.otherwise([]), None, None, None).kind
        own = self._late.cilium_policies() if self._late.cilium_policies else []
        known = [*self._late.policies(), *cilium_policies.policies(own)]
        found = cluster_guards.policies(known, self._labels, cni)
        return replace(found, blocked=self._last.monitored.blocked)

    def _dns(self) -> Dns:
        inside = self._last.dns
        try:
            server = self._dns_server()
        except Unavailable:
            if inside is None:
                raise
            return inside
        if inside is None:
            return server
        return replace(server, ndots=inside.ndots, search_domains=inside.search_domains, lookups=inside.lookups)

    def _dns_server(self) -> Dns:
        pods = self._late.dns_pods()
        if not pods:
            raise Unavailable("pods of the DNS server (k8s-app=kube-dns in kube-system)", "nothing: it runs elsewhere")
        names = {pod.metadata.name for pod in pods}
        metrics = self._first.pod_metrics.otherwise([]) if self._first.pod_metrics else []
        usage = cluster_readings.usage("kube-system", [], self._differences) or cluster_readings.usage(
            "kube-system", [one for one in metrics if one.metadata.name in names], None
        )
        daemons = self._late.daemons.otherwise([])
        return cluster_dns.dns(
            pods,
            self._last.dns_pages,
            self._window.seconds,
            [one for (pod, _), one in usage.items() if pod in names],
            node_local_cache=cluster_cni.node_local_dns(daemons) if daemons else None,
        )

    def _cni(self) -> Cni:
        proxy = self._late.proxy_settings
        unknown = core.ConfigMap(metadata=Meta())
        made = cluster_cni.cni(
            self._late.daemons(),
            proxy.otherwise(unknown),
            None,
            len(self._first.early.services.otherwise([])) or None,
        )
        return self._last.monitored.on_cni(made)

    def _changes(self) -> Changes:
        target = (self._resolved.kind, self._resolved.name)
        return cluster_history.changes(
            cluster_events.concerning(self._own_events()(), {target}, set()),
            meta_of(self.config),
            self._first.early.nodes.otherwise([]),
            self._second.target_nodes,
            self._window.end_s,
        )
