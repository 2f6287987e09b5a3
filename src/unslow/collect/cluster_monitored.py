"""What other readers know of the target's nodes, proxies and history, and which parts of the evidence it fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from unslow.collect.cluster_cni import tag
from unslow.evidence.cluster import Blocked, Cni, Mesh, Network, Node, Nodes, Pods, Usage

PROXIES = {"istio-proxy": "istio", "linkerd-proxy": "linkerd", "kuma-sidecar": "kuma", "consul-dataplane": "consul"}
"""Containers of meshes."""

if TYPE_CHECKING:
    from unslow.collect import kube_proxy, prom_mesh, prom_usage
    from unslow.collect.cluster_node_pod import NodeLook
    from unslow.collect.cluster_readings import Differences
    from unslow.collect.node_counters import Node as Counters


@dataclass(slots=True)
class Monitored:
    """Empty where nobody could tell."""

    nodes: dict[str, Counters] = field(default_factory=dict)
    proxy: kube_proxy.Proxy | None = None
    mesh: prom_mesh.Timed | None = None
    histories: Mapping[str, prom_usage.History] = field(default_factory=dict)
    """By container of the workload."""
    containers: Differences | None = None
    """The kubelets' readings of the workload's containers, where only Prometheus may read the kubelets."""
    blocked: tuple[Blocked, ...] = ()
    """What the network plugin's flow log saw dropped."""

    def take(self, look: NodeLook) -> None:
        """What was read on one node; of several kube-proxies the one with most rules counts."""
        self.nodes[look.node] = look.counters
        from unslow.collect import kube_proxy

        proxy = kube_proxy.of_page(look.proxy)
        if proxy is not None and (self.proxy is None or (proxy.rules or 0) > (self.proxy.rules or 0)):
            self.proxy = proxy

    def network(self) -> Network | None:
        parts = [part for name, one in sorted(self.nodes.items()) if (part := one.network(name)) is not None]
        return Network(parts=tuple(parts)) if parts else None

    def on_nodes(self, nodes: Nodes) -> Nodes:
        """The same with pressure, stolen time and disks of those that were read."""
        return Nodes(
            nodes=tuple(_read(node, self.nodes[node.name]) if node.name in self.nodes else node for node in nodes.nodes)
        )

    def on_cni(self, cni: Cni) -> Cni:
        if self.proxy is None:
            return cni
        mode = cni.proxy_mode or ("iptables" if self.proxy.rules is not None else "")
        return replace(cni, proxy_mode=mode, rules=self.proxy.rules, sync_p99_s=self.proxy.sync_p99_s)

    def on_pods(self, pods: Pods) -> Pods:
        """The same with the history of each application container."""
        made = []
        for pod in pods.pods:
            containers = [
                replace(one, usage=_with(one.usage or Usage(), self.histories[one.name]))
                if one.name in self.histories and not one.init
                else one
                for one in pod.containers
            ]
            made.append(replace(pod, containers=tuple(containers)))
        return replace(pods, pods=tuple(made))

    def on_mesh(self, pods: Pods | None) -> Mesh | None:
        """The proxies beside the application, and what they timed. None without a proxy."""
        beside = [one for pod in (pods.live if pods else ()) for one in pod.containers if one.name in PROXIES]
        if not beside:
            return None
        busiest = max(beside, key=lambda one: (one.usage.cores or 0.0) if one.usage else 0.0)
        throttled = [ratio for one in beside if one.usage and (ratio := one.usage.throttled_ratio) is not None]
        from unslow.collect import prom_mesh  # not for those who only want the facts

        seen = self.mesh or prom_mesh.Timed()
        return Mesh(
            kind=PROXIES[busiest.name],
            version=tag(busiest.image),
            mutual_tls=seen.mutual_tls,
            proxy_mean_s=seen.proxy_mean_s,
            proxy_requests=seen.requests,
            proxy_cores=busiest.usage.cores if busiest.usage else None,
            proxy_limit_cores=busiest.cpu_limit_cores,
            proxy_throttled_ratio=max(throttled, default=None),
            retries_per_s=seen.retries_per_s,
            overflow_per_s=seen.overflow_per_s,
        )


def _read(node: Node, counters: Counters) -> Node:
    busy = counters.busy_ratio()
    used = node.used_cores if busy is None or node.used_cores is not None else busy * node.capacity_cores
    return replace(node, used_cores=used, **counters.pressures())


def _with(usage: Usage, history: prom_usage.History) -> Usage:
    return replace(
        usage,
        cores_p95=history.cores_p95,
        cores_max=history.cores_max,
        memory_max_bytes=history.memory_max_bytes,
        looked_back_s=history.looked_back_s,
    )
