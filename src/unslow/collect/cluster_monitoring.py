"""Asks the cluster's Prometheus, and pods on the target's nodes where that is allowed, beside the look at a workload."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from unslow.collect import (
    cluster_hubble,
    kube_proxy,
    prom_cluster,
    prom_containers,
    prom_login,
    prom_mesh,
    prom_nodes,
    prom_usage,
)
from unslow.collect.attempts import Attempts
from unslow.collect.cluster_monitored import PROXIES, Monitored
from unslow.collect.cluster_node_pod import NODE, NodePods
from unslow.collect.cluster_questions import KUBE_SYSTEM
from unslow.collect.prometheus_api import Api
from unslow.errors import Unavailable
from unslow.kube import core
from unslow.kube.client import Client
from unslow.kube.workloads import Workload
from unslow.settings import Looking

PROMETHEUS = "prometheus"
PATIENCE_S = 4.0
"""With Prometheus, for all questions: the budget is over when they are asked."""
SHARE = 0.5
"""Of the budget: between both readings of a node. Its pod has ended before the look at the workload has."""


class Monitoring:
    """`start` before the window, `result` after it, `close` whatever happens."""

    def __init__(self, looking: Looking, client: Client, attempts: Attempts, namespace: str) -> None:
        self._looking = looking
        self._client = client
        self._attempts = attempts
        self._namespace = namespace
        self._pods = NodePods(client, looking.node_namespace or namespace, looking.node_image)

    def start(self, nodes: Sequence[str], budget_s: float) -> None:
        """The pods on the nodes, with `--allow node`; a refusal is noted and no more."""
        if self._looking.node_image:
            self._attempts.run(NODE, NODE, lambda: self._pods.start(nodes, SHARE * budget_s), doing="reading the nodes")

    def result(
        self,
        kind: str,
        name: str,
        pods: Sequence[core.Pod],
        nodes: Sequence[core.Node],
        *,
        called: Sequence[str] = (),
        kubelets: bool,
    ) -> Monitored:
        """Of the workload, its pods and the nodes that run them; `kubelets`: whether those could be asked themselves.

        `called`: pods of the same namespace that it calls.
        """
        found = Monitored()
        if self._pods.started:
            for look in self._attempts.run(NODE, NODE, self._pods.looks) or ():
                found.take(look)
        meshed = any(
            one.name in PROXIES for pod in pods for one in (*pod.spec.containers, *(pod.spec.init_containers or ()))
        )
        try:
            with self._prometheus() as api:
                self._ask(found, api, kind, name, nodes, meshed=meshed)
                if not kubelets and pods:
                    names = [*(pod.metadata.name for pod in pods), *called]
                    found.containers = self._attempts.run(
                        "containers",
                        PROMETHEUS,
                        lambda: prom_containers.differences(api, self._namespace, names, time.time()),
                    )
        except Unavailable as error:
            for section in ("history", *(["mesh"] if meshed else []), *([] if found.nodes else ["network"])):
                self._attempts.skip(section, PROMETHEUS, error.missing, error.remedy)
        return found

    def flows(self, found: Monitored, daemons: Sequence[Workload], pods: Sequence[core.Pod]) -> None:
        """What Cilium dropped, where it is the network plugin."""
        if not self._looking.use_exec or not any(one.metadata.name == "cilium" for one in daemons):
            return
        agents = self._client.items(f"/api/v1/namespaces/{KUBE_SYSTEM}/pods", core.Pod, labels=cluster_hubble.LABELS)
        read = self._attempts.run(
            "flows", "exec hubble", lambda: cluster_hubble.dropped(self._client, KUBE_SYSTEM, agents, pods)
        )
        found.blocked = read or ()

    def close(self) -> None:
        """Nothing stays behind."""
        self._pods.close()

    def _prometheus(self) -> contextlib.AbstractContextManager[Api]:
        looking = self._looking
        login = prom_login.of(looking.prometheus_config, looking.prometheus_headers)
        return prom_cluster.metrics(self._client, self._namespace, looking.prometheus, login, PATIENCE_S)

    def _ask(
        self, found: Monitored, api: Api, kind: str, name: str, nodes: Sequence[core.Node], *, meshed: bool
    ) -> None:
        now, namespace, run = time.time(), self._namespace, self._attempts.run
        if not found.nodes:
            names = prom_nodes.names_of(nodes)
            found.nodes = run("network", PROMETHEUS, lambda: prom_nodes.counters(api, names, now)) or {}
        if found.proxy is None:
            with contextlib.suppress(Unavailable):  # its rules matter only beside lost packets: nobody misses them
                found.proxy = kube_proxy.of_prometheus(api, now)
        if meshed:
            found.mesh = run("mesh", PROMETHEUS, lambda: prom_mesh.timed(api, namespace, name, now))
        found.histories = (
            run("history", PROMETHEUS, lambda: prom_usage.histories(api, namespace, kind, name, now)) or {}
        )
