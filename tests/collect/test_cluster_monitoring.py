"""What stands when Prometheus does not answer, or there is none; the API server is a stand-in that knows no service."""

from __future__ import annotations

import socket
from typing import Any, cast

from unslow.collect.attempts import Attempts
from unslow.collect.cluster_monitoring import PATIENCE_S, Monitoring
from unslow.collect.cluster_node_pod import NODE
from unslow.errors import Unavailable
from unslow.kube import core
from unslow.kube.meta import Meta
from unslow.settings import Looking


class NoServices:
    def items(self, *_: object, **__: object) -> list[object]:
        return []


def monitoring(attempts: Attempts, **more: Any) -> Monitoring:
    return Monitoring(Looking(target="market/shop", **more), cast(Any, NoServices()), attempts, "market")


def pods(*containers: str) -> list[core.Pod]:
    spec = core.PodSpec(containers=tuple(core.Container(name=name) for name in containers))
    return [core.Pod(metadata=Meta(name="shop-1", namespace="market"), spec=spec)]


def test_without_any_each_section_that_misses_it_says_so() -> None:
    attempts = Attempts(lambda _: None)
    found = monitoring(attempts).result("Deployment", "shop", pods("app", "istio-proxy"), [], kubelets=True)
    assert found.network() is None
    told = {probe.name: probe for probe in attempts.probes}
    assert set(told) == {"network", "mesh", "history"}
    assert "no service of the cluster looks like one" in told["mesh"].missing
    assert "--prometheus" in told["network"].remedy


def test_who_has_no_mesh_misses_none() -> None:
    attempts = Attempts(lambda _: None)
    monitoring(attempts).result("Deployment", "shop", pods("app"), [], kubelets=True)
    assert "mesh" not in {probe.name for probe in attempts.probes}


def test_a_silent_server_costs_some_seconds_at_most() -> None:
    attempts = Attempts(lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monitoring(attempts, prometheus=address).result("Deployment", "shop", pods("app"), [], kubelets=False)
    told = {probe.name: probe for probe in attempts.probes}
    assert set(told) == {"network", "history", "containers"}
    assert f"no answer in time ({PATIENCE_S:.0f} s)" in told["network"].missing


def test_a_refused_pod_on_the_node_is_noted_and_the_rest_goes_on() -> None:
    attempts = Attempts(lambda _: None)
    looked = monitoring(attempts, node_image="image")

    class Refusing:
        started = False

        def start(self, *_: object) -> None:
            raise Unavailable("Pod Security level restricted", "another namespace")

        def close(self) -> None:
            pass

    looked._pods = cast(Any, Refusing())
    looked.start(["node-a"], 10.0)
    looked.result("Deployment", "shop", pods("app"), [], kubelets=True)
    looked.close()
    told = {probe.name: probe for probe in attempts.probes}
    assert told[NODE].missing == "Pod Security level restricted"
    assert "network" in told
