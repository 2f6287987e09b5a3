"""All questions to the API server of one look, asked side by side, each with the name of what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from unslow.collect import cilium_policies
from unslow.errors import Unavailable
from unslow.kube import core, custom, network
from unslow.kube import workloads as api
from unslow.kube.client import Client
from unslow.kube.events import Event, events
from unslow.kube.meta import ManagedMeta, Meta

T = TypeVar("T")

KUBE_SYSTEM = "kube-system"
METRICS = "metrics.k8s.io"
KARPENTER = "karpenter.sh"
AUTOSCALING = "autoscaling.k8s.io"
FEW_NODES = 20
"""Up to here all pods of the cluster are listed, brief; beyond, only those of the target's nodes."""
TARGET_NODES = 6
PAGE_S = 3.0
"""For a pod's own page: it waits in the queue of a busy pod, and the look has to begin."""
KUBELET_PAGES = 4
"""Nodes whose kubelet's own page is read."""


class Version(msgspec.Struct, frozen=True, rename="camel"):
    git_version: str = ""


class Group(msgspec.Struct, frozen=True):
    name: str = ""


class Groups(msgspec.Struct, frozen=True):
    groups: tuple[Group, ...] = ()


class Bare(msgspec.Struct, frozen=True):
    """An object of which only the metadata is wanted."""

    metadata: ManagedMeta


class Answer(Generic[T]):
    """A question under way. Its answer is given out, or its refusal raised, as often as one likes."""

    def __init__(self, future: Future[T]) -> None:
        self._future = future

    def __call__(self) -> T:
        return self._future.result()

    def is_there(self) -> bool:
        """Whether it was answered; waits for that."""
        try:
            self._future.result()
        except Unavailable:
            return False
        return True

    def otherwise(self, instead: T) -> T:
        """The answer, or `instead` where the source is not there; other errors are raised."""
        try:
            return self._future.result()
        except Unavailable:
            return instead


class Questions:
    """Asks; thread-safe, as the client is."""

    def __init__(self, client: Client, pool: Executor) -> None:
        self.client = client
        self._pool = pool

    def ask(self, question: Callable[..., T], *arguments: Any, **named: Any) -> Answer[T]:
        return Answer(self._pool.submit(partial(question, *arguments, **named)))

    def listed(
        self, group: str, resource: str, type_: type[T], namespace: str = "", *, fields: str = "", labels: str = ""
    ) -> Answer[list[T]]:
        """`group` is empty for core objects, else `apps/v1`; `namespace` is empty for the whole cluster."""
        root = f"/apis/{group}" if group else "/api/v1"
        path = f"{root}/namespaces/{namespace}/{resource}" if namespace else f"{root}/{resource}"
        full = f"{resource}.{group.partition('/')[0]}" if group else resource
        where = f"in namespace {namespace}" if namespace else "in the whole cluster"
        return self.ask(self._list, path, type_, fields, labels, f"list {full} {where}")

    def _list(self, path: str, type_: type[T], fields: str, labels: str, asked: str) -> list[T]:
        return list(self.client.items(path, type_, fields=fields, labels=labels, asked=asked))

    def version(self) -> Answer[Version]:
        return self.ask(self.client.get, "/version", Version)

    def groups(self) -> Answer[frozenset[str]]:
        """Names of the API groups that the cluster knows."""
        return self.ask(lambda: frozenset(one.name for one in self.client.get("/apis", Groups).groups))

    def pods(self, namespace: str, labels: str) -> Answer[list[core.Pod]]:
        return self.listed("", "pods", core.Pod, namespace, labels=labels)

    def events(self, namespace: str, fields: str = "") -> Answer[list[Event]]:
        return self.ask(events, self.client, namespace, fields=fields)

    def config_map(self, namespace: str, name: str) -> Answer[core.ConfigMap]:
        path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        return self.ask(self.client.get, path, core.ConfigMap, asked=f"get configmaps in namespace {namespace}")

    def config_map_metadata(self, namespace: str, name: str) -> Answer[Bare]:
        path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        return self.ask(self.client.get, path, Bare, asked=f"get configmaps in namespace {namespace}")

    def kubelet_page(self, node: str) -> Answer[str]:
        path = f"/api/v1/nodes/{node}/proxy/metrics/cadvisor"
        return self.ask(self.client.text, path, asked="get nodes/proxy in the whole cluster")

    def pod_page(self, pod: core.Pod, port: int, path: str) -> Answer[str]:
        return self.ask(self.pod_page_now, pod, port, path)

    def pod_page_now(self, pod: core.Pod, port: int, path: str) -> str:
        """A page of a pod, through the API server's pod proxy. Raises `ApiError`, `Unreachable`."""
        where = f"/api/v1/namespaces/{pod.metadata.namespace}/pods/{pod.metadata.name}:{port}/proxy{path}"
        asked = f"get pods/proxy in namespace {pod.metadata.namespace}"
        return self.client.text(where, asked=asked, timeout_s=PAGE_S)


class Early:
    """What needs nothing but the namespace: asked before it is known who is meant."""

    def __init__(self, ask: Questions, namespace: str) -> None:
        self.nodes = ask.listed("", "nodes", core.Node)
        self.events = ask.events(namespace)
        self.node_events = ask.events("default", "involvedObject.kind=Node")
        self.services = ask.listed("", "services", core.Service, namespace)
        self.slices = ask.listed("discovery.k8s.io/v1", "endpointslices", network.EndpointSlice, namespace)
        self.hpas = ask.listed("autoscaling/v2", "horizontalpodautoscalers", api.Hpa, namespace)


class Late:
    """What nobody waits for: asked when everything is under way that something else needs."""

    def __init__(self, ask: Questions, namespace: str, groups: frozenset[str]) -> None:
        self.budgets = ask.listed("policy/v1", "poddisruptionbudgets", api.DisruptionBudget, namespace)
        self.quotas = ask.listed("", "resourcequotas", core.ResourceQuota, namespace)
        self.ranges = ask.listed("", "limitranges", core.LimitRange, namespace)
        self.policies = ask.listed("networking.k8s.io/v1", "networkpolicies", network.NetworkPolicy, namespace)
        self.cilium_policies = _only(
            cilium_policies.GROUP in groups,
            lambda: ask.listed(
                f"{cilium_policies.GROUP}/v2", "ciliumnetworkpolicies", cilium_policies.CiliumPolicy, namespace
            ),
        )
        self.daemons = ask.listed("apps/v1", "daemonsets", api.Workload, KUBE_SYSTEM)
        self.dns_pods = ask.pods(KUBE_SYSTEM, "k8s-app=kube-dns")
        self.proxy_settings = ask.config_map(KUBE_SYSTEM, "kube-proxy")
        self.version = ask.version()


class First:
    """What is asked as soon as the workload is known."""

    def __init__(
        self, ask: Questions, early: Early, namespace: str, labels: str, kind: str, groups: frozenset[str]
    ) -> None:
        self.early = early
        self.pods = ask.pods(namespace, labels)
        self.sets = _only(
            kind == "Deployment", lambda: ask.listed("apps/v1", "replicasets", api.ReplicaSet, namespace, labels=labels)
        )
        self.revisions = _only(
            kind != "Deployment",
            lambda: ask.listed("apps/v1", "controllerrevisions", api.ControllerRevision, namespace, labels=labels),
        )
        metrics, version = METRICS in groups, f"{METRICS}/v1beta1"
        self.pod_metrics = _only(metrics, lambda: ask.listed(version, "pods", custom.PodMetrics))
        self.own_metrics = _only(metrics, lambda: ask.listed(version, "pods", custom.PodMetrics, namespace))
        self.node_metrics = _only(metrics, lambda: ask.listed(version, "nodes", custom.NodeMetrics))
        self.vpas = _only(
            AUTOSCALING in groups,
            lambda: ask.listed(f"{AUTOSCALING}/v1", "verticalpodautoscalers", custom.Vpa, namespace),
        )
        self.pools = _only(KARPENTER in groups, lambda: ask.listed(f"{KARPENTER}/v1", "nodepools", custom.NodePool))
        self.claims = _only(KARPENTER in groups, lambda: ask.listed(f"{KARPENTER}/v1", "nodeclaims", custom.NodeClaim))


def _only(condition: bool, question: Callable[[], T]) -> T | None:
    return question() if condition else None


class Second:
    """What needs the pods and nodes: who else is on the nodes, what the kubelets read."""

    def __init__(self, ask: Questions, first: First, *, measures: bool) -> None:
        self._ask = ask
        pods = first.pods.otherwise([])
        nodes = first.early.nodes.otherwise([])
        self.target_nodes = sorted({pod.spec.node_name for pod in pods if pod.spec.node_name})
        few = bool(nodes) and len(nodes) <= FEW_NODES
        self.complete = few
        if few:
            self.tenants = [ask.listed("", "pods", core.BriefPod)]
        else:
            self.tenants = [
                ask.listed("", "pods", core.BriefPod, fields=f"spec.nodeName={name}")
                for name in self.target_nodes[:TARGET_NODES]
            ]
        self.kubelets = self.kubelet_pages() if measures else []

    def kubelet_pages(self) -> list[Answer[str]]:
        return [self._ask.kubelet_page(name) for name in self.target_nodes[:KUBELET_PAGES]]

    def tenant_pods(self) -> tuple[core.BriefPod, ...]:
        return tuple(pod for answer in self.tenants for pod in answer())


def config_metadata(ask: Questions, namespace: str, names: set[str]) -> Mapping[str, Answer[Bare]]:
    """At most eight: more tell nothing that the newest would not."""
    return {name: ask.config_map_metadata(namespace, name) for name in sorted(names)[:8]}


def meta_of(bare: Mapping[str, Answer[Bare]]) -> dict[str, ManagedMeta]:
    """Those that could be read."""
    unknown = Bare(metadata=ManagedMeta())
    found = {name: answer.otherwise(unknown).metadata for name, answer in bare.items()}
    return {name: metadata for name, metadata in found.items() if metadata.uid}


def uids(objects: list[core.Pod]) -> set[str]:
    return {one.metadata.uid for one in objects}


def name_of(metadata: Meta) -> str:
    return f"{metadata.namespace}/{metadata.name}"
