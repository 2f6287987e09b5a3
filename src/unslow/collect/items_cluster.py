"""The facts of a cluster that lines and causes cite, each with the command a person would type to see it."""

from __future__ import annotations

from collections.abc import Iterator

from unslow.evidence import Evidence
from unslow.evidence.cluster import Cluster, Cni
from unslow.evidence.probe import Item
from unslow.measure.cluster_network import conntrack_ratio

PER_POD = (
    "sum by (pod) (rate(http_request_duration_seconds_sum[5m])) / "
    "sum by (pod) (rate(http_request_duration_seconds_count[5m]))"
)


def cluster_items(evidence: Evidence) -> Iterator[Item]:
    """One entry per part of the cluster that is there."""
    cluster = evidence.cluster
    if cluster is None:
        return
    namespace = cluster.workload.namespace if cluster.workload else "NAMESPACE"
    for part in (_workload, _pods, _nodes, _scaling, _limits, _network):
        yield from part(cluster, f"-n {namespace}")


def _workload(cluster: Cluster, scope: str) -> Iterator[Item]:
    if cluster.workload:
        one = cluster.workload
        name = f"{one.kind.lower()}/{one.name}"
        yield Item(
            id="workload",
            title=f"pods of {name} that are ready, of {one.replicas_wanted}",
            command=f"kubectl get {name} {scope} -o wide; kubectl rollout history {name} {scope}",
            value=float(one.replicas_ready),
            unit="pods",
            n=len(one.revisions),
        )
    if cluster.changes:
        yield Item(
            id="changes",
            title=f"objects that changed in the last {cluster.changes.looked_back_s / 3600:.0f} h",
            command=f"kubectl get replicasets,configmaps {scope} --sort-by=.metadata.creationTimestamp",
            value=float(len(cluster.changes.changes)),
            unit="changes",
        )
    if cluster.events:
        warnings = [event for event in cluster.events.events if event.type == "Warning"]
        yield Item(
            id="events",
            title="warnings about the workload",
            command=f"kubectl get events {scope} --sort-by=.lastTimestamp",
            value=float(sum(event.count for event in warnings)),
            unit="warnings",
            n=len(cluster.events.events),
        )


def _pods(cluster: Cluster, scope: str) -> Iterator[Item]:
    if cluster.pods is None:
        return
    pods = cluster.pods.pods
    yield Item(
        id="pods",
        title="pods that are ready",
        command=f"kubectl get pods {scope} -o wide; kubectl top pods {scope} --containers",
        value=float(sum(pod.ready for pod in pods)),
        unit="pods",
        n=len(pods),
    )
    timed = [pod.latency for pod in pods if pod.latency]
    if timed:
        yield Item(
            id="pods.latency",
            title="mean response time of the slowest pod",
            command=f"promql: {PER_POD}",
            value=max(one.mean_s for one in timed) * 1e3,
            unit="ms",
            n=int(sum(one.requests for one in timed)),
        )


def _nodes(cluster: Cluster, scope: str) -> Iterator[Item]:
    if cluster.nodes is None:
        return
    ours = [node for node in cluster.nodes.nodes if node.target_pods]
    used = [node.used_cores / node.allocatable_cores for node in ours if node.used_cores and node.allocatable_cores]
    yield Item(
        id="nodes",
        title="cores in use on the fullest node of the pods",
        command="kubectl top nodes; kubectl describe nodes",
        value=max(used) if used else "not known",
        unit="ratio" if used else "",
        n=len(cluster.nodes.nodes),
    )


def _scaling(cluster: Cluster, scope: str) -> Iterator[Item]:
    if cluster.services:
        endpoints = [one for service in cluster.services.services for one in service.endpoints if not one.terminating]
        yield Item(
            id="services",
            title="endpoints that are ready",
            command=f"kubectl get services,endpointslices {scope} -o wide",
            value=float(sum(one.ready for one in endpoints)),
            unit="endpoints",
            n=len(endpoints),
        )
    if cluster.autoscalers:
        yield Item(
            id="autoscalers",
            title="autoscalers of the workload",
            command=f"kubectl describe hpa {scope}",
            value=float(len(cluster.autoscalers.hpas) + len(cluster.autoscalers.vpas)),
            unit="autoscalers",
        )


def _limits(cluster: Cluster, scope: str) -> Iterator[Item]:
    quotas, budgets, policies = cluster.quotas, cluster.budgets, cluster.policies
    counted = (
        ("quotas", "resource quotas", "resourcequotas", len(quotas.quotas) if quotas else None),
        ("budgets", "disruption budgets", "poddisruptionbudgets", len(budgets.budgets) if budgets else None),
        ("policies", "network policies", "networkpolicies", len(policies.names) if policies else None),
    )
    for name, title, kind, count in counted:
        if count is not None:
            yield Item(
                id=name,
                title=f"{title} that apply to the pods",
                command=f"kubectl describe {kind} {scope}",
                value=float(count),
                unit=title,
            )


def _network(cluster: Cluster, scope: str) -> Iterator[Item]:
    dns, network, mesh = cluster.dns, cluster.network, cluster.mesh
    if dns:
        timed = [time for one in dns.lookups for time in one.times_s] or (
            [dns.server_mean_s] if dns.server_mean_s is not None else []
        )
        yield Item(
            id="dns",
            title="mean time of a look-up" if dns.lookups else "mean answering time of the DNS servers",
            command=f"kubectl exec {scope} POD -- sh -c 'time getent hosts NAME; cat /etc/resolv.conf'",
            value=sum(timed) / len(timed) * 1e3 if timed else "not known",
            unit="ms" if timed else "",
            n=len(timed) if dns.lookups else 0,
        )
    if network:
        yield Item(
            id="network",
            title="segments that were sent again",
            command="nstat -az TcpRetransSegs TcpOutSegs TcpExtTCPTimeouts; conntrack -S",
            value=float(sum(part.retransmitted or 0 for part in network.parts)),
            unit="segments",
            n=sum(part.segments_out or 0 for part in network.parts),
        )
        counted = [(part, ratio) for part in network.parts if (ratio := conntrack_ratio(part)) is not None]
        if counted:
            part, ratio = max(counted, key=lambda one: one[1])
            yield Item(
                id="conntrack",
                title=f"share of the connection table that is in use, on {part.name}",
                command="cat /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max",
                value=ratio * 100.0,
                unit="%",
                n=part.conntrack_count or 0,
            )
    yield from _proxy(cluster.cni)
    if mesh:
        known = mesh.proxy_mean_s is not None
        yield Item(
            id="mesh",
            title=f"time of a request in the {mesh.kind} proxies",
            command=f"kubectl top pods {scope} --containers",
            value=mesh.proxy_mean_s * 1e3 if mesh.proxy_mean_s is not None else "not known",
            unit="ms" if known else "",
            n=int(mesh.proxy_requests),
        )


def _proxy(cni: Cni | None) -> Iterator[Item]:
    if cni and cni.rules is not None:
        yield Item(
            id="kube-proxy",
            title="rules that kube-proxy keeps on a node",
            command="iptables-save | wc -l; curl -s 127.0.0.1:10249/metrics | grep sync_proxy_rules",
            value=float(cni.rules),
            unit="rules",
        )
    if cni and cni.sync_p99_s is not None:
        yield Item(
            id="kube-proxy-sync",
            title="99th percentile of the time until a change of endpoints is in force on a node",
            command="curl -s 127.0.0.1:10249/metrics | grep sync_proxy_rules_duration",
            value=cni.sync_p99_s * 1e3,
            unit="ms",
        )
