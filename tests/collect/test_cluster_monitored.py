"""What Prometheus and the nodes told, joined to what the cluster told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.checks.cluster import MIB, container, node, nodes, pod, pods, usage
from tests.checks.verbs import finds
from tests.collect.backfilled import Series, knowing, rising
from tests.collect.test_prom_mesh import caller
from tests.collect.test_prom_nodes import exported
from tests.collect.test_prom_usage import used
from tests.kube.cluster import PYTHON, client, kubeconfig, namespace, needs_cluster, running
from unslow.collect import cluster, cluster_monitored
from unslow.collect.cluster_monitored import Monitored
from unslow.collect.cluster_node_pod import NodeLook
from unslow.collect.exposition import parse
from unslow.collect.kube_proxy import Proxy
from unslow.collect.node_counters import Counter, Node
from unslow.collect.prom_mesh import Timed
from unslow.collect.prom_usage import History
from unslow.diagnose import diagnose
from unslow.evidence.cluster import Cni
from unslow.kube import core
from unslow.settings import Looking

PRESSED = Node((Counter(name="node_pressure_cpu_waiting_seconds_total", last=9.0, grown=5.0, seconds=10.0),))
PROXY = container(
    name="istio-proxy",
    image="docker.io/istio/proxyv2:1.24.2",
    sidecar=True,
    cpu_limit_cores=0.1,
    usage=usage(cores=0.097, cfs_periods=100, cfs_throttled_periods=60),
)


def test_pressure_goes_to_its_node_and_the_rest_stays() -> None:
    seen = Monitored(nodes={"node-a": PRESSED})
    first, second = seen.on_nodes(nodes(node("node-a"), node("node-b"))).nodes
    assert (first.cpu_pressure_ratio, second.cpu_pressure_ratio) == (0.5, None)
    assert first.used_cores == node("node-a").used_cores
    assert seen.network() is None  # nothing of a network was read


def test_cores_in_use_where_nobody_else_knows_them() -> None:
    idle = Counter(
        name="node_cpu_seconds_total", labels={"cpu": "0", "mode": "idle"}, last=9.0, grown=2.5, seconds=10.0
    )
    seen = Monitored(nodes={"node-a": Node((idle,)), "node-b": Node((idle,))})
    first, second = seen.on_nodes(nodes(node("node-a", used_cores=None), node("node-b", used_cores=1.0))).nodes
    assert (first.used_cores, second.used_cores) == (3.0, 1.0)


def test_the_kube_proxy_with_most_rules_counts() -> None:
    seen = Monitored()
    for name, rules in (("node-a", 60), ("node-b", 9000)):
        page = f'kubeproxy_sync_proxy_rules_iptables_total{{table="nat"}} {rules}'
        seen.take(NodeLook(name, PRESSED, parse(page).samples))
    assert seen.proxy == Proxy(rules=9000)
    assert seen.on_cni(Cni(kind="calico")) == Cni(kind="calico", proxy_mode="iptables", rules=9000)
    assert Monitored().on_cni(Cni(kind="calico")) == Cni(kind="calico")


def test_a_day_without_an_autoscaler_gives_the_right_size() -> None:
    seen = Monitored(histories={"app": History(cores_p95=0.8, memory_max_bytes=500 * MIB, looked_back_s=86000.0)})
    busy = seen.on_pods(pods(pod("a", container(usage=usage(cores=0.6)))))
    found = finds("requests_undersized", pods=busy, nodes=nodes(node(used_cores=3.9)), account=None)
    assert "CPU 1.15 x p95 of 0.800 cores, memory 1.2 x highest 500 MiB, over 24 h of 1 pods" in found.next_steps[0]


def test_proxies_beside_the_application_are_a_mesh_whoever_scrapes_them() -> None:
    mesh = Monitored().on_mesh(pods(pod("a", container(), PROXY)))
    assert mesh is not None
    assert (mesh.kind, mesh.version, mesh.proxy_mean_s) == ("istio", "1.24.2", None)
    assert (mesh.proxy_cores, mesh.proxy_limit_cores, mesh.proxy_throttled_ratio) == (0.097, 0.1, 0.6)
    seen = Monitored(mesh=Timed(proxy_mean_s=0.04, requests=500.0, mutual_tls="STRICT"))
    timed = seen.on_mesh(pods(pod("a", container(), PROXY)))
    assert timed is not None
    assert (timed.proxy_mean_s, timed.mutual_tls) == (0.04, "STRICT")


def test_another_helper_is_no_mesh() -> None:
    assert Monitored().on_mesh(pods(pod("a", container(), container(name="vault-agent", sidecar=True)))) is None
    assert set(cluster_monitored.PROXIES) == {"istio-proxy", "linkerd-proxy", "kuma-sidecar", "consul-dataplane"}


SERVER = """
import http.server, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.05)
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("", 8000), Slow).serve_forever()
"""


@needs_cluster
def test_a_real_workload_beside_a_real_prometheus(tmp_path: Path) -> None:
    """The mesh's and the nodes' series are written down; the pods, the kubelet and the server are real."""
    with client() as api, namespace(api) as where:
        helper = {"name": "istio-proxy", "image": PYTHON, "command": ["python3", "-c", "import time; time.sleep(999)"]}
        app = {
            "name": "app",
            "image": PYTHON,
            "command": ["python3", "-c", SERVER],
            "ports": [{"containerPort": 8000, "name": "http"}],
            "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
        }
        spec = {"terminationGracePeriodSeconds": 0, "containers": [app, helper]}
        template = {"metadata": {"labels": {"app": "shop"}}, "spec": spec}
        body = {
            "metadata": {"name": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "shop"}}, "template": template},
        }
        api.post(f"/apis/apps/v1/namespaces/{where}/deployments", body, dict)
        running(api, where, "ready-later", {"spec": {"containers": [{**helper, "name": "main"}]}})
        machine = next(api.items("/api/v1/nodes", core.Node))
        address = next(one.address for one in machine.status.addresses or () if one.type == "InternalIP")
        found = {
            **exported(f"{address}:9100", "whatever", entries=970.0),
            **renamed(caller("web", 60.0, 20.0), where),
            **renamed(used("shop-7cb777694b-w2lm9", rising(0.8), 300.0), where),
        }
        with knowing(tmp_path, found, seconds=7200.0, step_s=30.0, end_s=time.time() + 60.0) as prometheus:
            evidence = cluster.collect(
                Looking(
                    target=f"{where}/shop", kubeconfig=kubeconfig(), budget_s=12.0, prometheus=prometheus, path="/"
                ),
                lambda _: None,
            )
    seen = evidence.cluster
    assert seen is not None
    assert seen.mesh is not None
    assert seen.mesh.proxy_mean_s == pytest.approx(0.040, rel=0.02)
    assert seen.mesh.mutual_tls == "STRICT"
    assert seen.network is not None
    assert seen.network.parts[0].conntrack_count == 970
    assert seen.nodes is not None
    assert seen.nodes.nodes[0].cpu_pressure_ratio == pytest.approx(0.5, rel=0.05)
    assert seen.pods is not None
    [app_usage] = [one.usage for one in seen.pods.pods[0].containers if one.name == "app"]
    assert app_usage is not None
    assert app_usage.cores_p95 == pytest.approx(0.8, rel=0.02)
    assert {"conntrack_full", "mesh_overhead"} <= {cause.check for cause in diagnose(evidence).causes}


def renamed(found: Series, where: str) -> Series:
    """The same series of another namespace."""
    return {
        (name, tuple((key, where if text == "market" else text) for key, text in labels)): value
        for (name, labels), value in found.items()
    }
