"""The ways to a server inside a cluster: which service it is, which way is allowed, and how the API server's proxy is asked."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import msgspec
import pytest

from tests.kube import cluster
from tests.kube.api_server import Answer, answering
from unslow.collect import prom_cluster
from unslow.collect.prom_cluster import LOGS, METRICS, Kind, is_one
from unslow.collect.prom_login import Login
from unslow.collect.prometheus_api import Api
from unslow.errors import Unavailable
from unslow.kube.client import Client
from unslow.kube.config import Impersonation
from unslow.kube.core import Service


def service(name: str, port: int, where: str = "mon", **labels: str) -> dict[str, object]:
    return {
        "metadata": {"name": name, "namespace": where, "labels": labels},
        "spec": {"ports": [{"port": port}], "selector": {"app": name}},
    }


def kind_of(name: str, port: int, **labels: str) -> Kind | None:
    made = msgspec.convert(service(name, port, **labels), Service)
    return next((kind for kind in (*METRICS, *LOGS) if is_one(made, kind)), None)


@pytest.mark.parametrize(
    ("name", "port", "path"),
    [
        ("prometheus", 9090, ""),
        ("kube-prometheus-stack-prometheus", 9090, ""),
        ("prometheus-operated", 9090, ""),
        ("thanos-query-frontend", 9090, ""),
        ("vmselect-main", 8481, "/select/0/prometheus"),
        ("vmsingle-main", 8428, "/prometheus"),
        ("mimir-nginx", 80, "/prometheus"),
        ("mimir-query-frontend", 8080, "/prometheus"),
        ("loki-gateway", 80, ""),
        ("loki", 3100, ""),
    ],
)
def test_known_by_name_and_port(name: str, port: int, path: str) -> None:
    kind = kind_of(name, port)
    assert kind is not None
    assert kind.path == path


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("prometheus-node-exporter", 9100),
        ("prometheus-operator", 8080),
        ("prometheus-grafana", 80),
        ("prometheus-alertmanager", 9093),
        ("mimir-distributor", 8080),
        ("loki-headless", 3100),
        ("shop", 9090),
    ],
)
def test_neighbours_are_not_taken_for_it(name: str, port: int) -> None:
    assert kind_of(name, port) is None


class Cluster:
    """An API server that lets through what `allowed` says, with a Prometheus behind its proxy."""

    def __init__(self, *allowed: str) -> None:
        self.allowed = allowed
        self.asked: list[tuple[str, http.client.HTTPMessage]] = []
        self.services = [service("prometheus-operator", 8080), service("prometheus", 9090)]

    def __call__(self, path: str, query: dict[str, str], headers: http.client.HTTPMessage) -> Answer:
        self.asked.append((path, headers))
        if path == "/api/v1/services":
            return Answer({"items": self.services})
        if path.endswith("/proxy/api/v1/query"):
            result = [{"metric": {}, "value": [0, "1"]}]
            return Answer({"status": "success", "data": {"resultType": "vector", "result": result}})
        if path.endswith("selfsubjectaccessreviews"):
            return Answer({"status": {"allowed": self.allowed[0] == "all"}})
        return Answer({"items": []})


def reached(client: Client, login: Login | None = None) -> Iterator[tuple[str, Login]]:
    with prom_cluster.reached(client, "shop", METRICS, "Prometheus", "--prometheus", login or Login()) as found:
        yield found


def test_neither_way_allowed_names_both_rights() -> None:
    with (
        answering(Cluster("none")) as client,
        pytest.raises(Unavailable, match="neither create pods/portforward nor get services/proxy") as raised,
    ):
        next(reached(client))
    assert "--prometheus URL" in raised.value.remedy


def test_one_that_was_named_goes_by_its_address() -> None:
    with (
        answering(Cluster("all")) as client,
        prom_cluster.metrics(client, "shop", "http://user:word@metrics:9090") as named,
    ):
        assert named.name == "http://metrics:9090"


def test_nothing_that_looks_like_one() -> None:
    made = Cluster("all")
    made.services = []
    with answering(made) as client, pytest.raises(Unavailable, match="no service of the cluster"):
        next(reached(client))


def test_through_the_proxy_of_the_api_server() -> None:
    made = Cluster("all")
    with answering(made, token="sesame", impersonate=Impersonation(user="bob")) as client:
        own = Login(headers={"X-Scope-OrgID": "team", "authorization": "Bearer its-own"})
        address, login = prom_cluster.by_proxy(client, "mon", "prometheus", 9090, own)
        (one,) = Api(address, login).instant("up", 0)
    assert one.value == (0.0, "1")
    path, headers = made.asked[-1]
    assert path == "/api/v1/namespaces/mon/services/prometheus:9090/proxy/api/v1/query"
    assert headers.get_all("Authorization") == ["Bearer sesame"]
    assert headers["Impersonate-User"] == "bob"
    assert headers["X-Scope-OrgID"] == "team"


def test_several_groups_cannot_be_sent_through_it() -> None:
    who = Impersonation(user="bob", groups=("a", "b"))
    with answering(Cluster("all"), impersonate=who) as client, pytest.raises(Unavailable, match="several groups"):
        prom_cluster.by_proxy(client, "mon", "prometheus", 9090, Login())


def test_from_inside_the_cluster_it_is_asked_directly() -> None:
    made = Cluster("none")
    made.services = [service("mimir-nginx", 80)]
    with answering(made, context=prom_cluster.IN_CLUSTER) as client:
        address, _ = next(reached(client))
    assert address == "http://mimir-nginx.mon.svc:80/prometheus"


ANSWERS = """
import http.server, json
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"status": "success", "data": {"resultType": "vector",
            "result": [{"metric": {"path": self.path.partition("?")[0]}, "value": [0, "1"]}]}}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 8080), H).serve_forever()
"""


@cluster.needs_cluster
def test_on_the_real_cluster_both_ways_lead_to_the_pod() -> None:
    with cluster.client() as api, cluster.namespace(api) as name:
        body = cluster.pod_of(
            ["python3", "-c", ANSWERS], readinessProbe={"httpGet": {"port": 8080}, "periodSeconds": 1}
        )
        cluster.running(api, name, "metrics", body)
        api.patch(f"/api/v1/namespaces/{name}/pods/metrics", {"metadata": {"labels": {"app": "metrics"}}}, dict)
        made = {
            "metadata": {"name": "prometheus"},
            "spec": {"selector": {"app": "metrics"}, "ports": [{"port": 9090, "targetPort": 8080}]},
        }
        api.post(f"/api/v1/namespaces/{name}/services", made, dict)
        with prom_cluster.reached(api, name, METRICS, "Prometheus", "--prometheus") as (address, login):
            assert address.startswith("http://127.0.0.1:")
            (one,) = Api(address, login).instant("up", 0)
            assert one.metric == {"path": "/api/v1/query"}
        with prom_cluster.metrics(api, name, "") as found:
            assert found.name == f"service {name}/prometheus"
            assert found.instant("up", 0)
        for _ in range(100):  # the proxy asks the EndpointSlice, which takes a moment
            try:
                (one,) = Api(*prom_cluster.by_proxy(api, name, "prometheus", 9090, Login())).instant("up", 0)
                break
            except Unavailable:
                pass
        assert one.metric == {"path": "/api/v1/query"}
