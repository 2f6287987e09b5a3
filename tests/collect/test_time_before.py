"""The time before of a workload, in a real Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.collect.backfilled import END_S, Series, knowing, rising, series
from tests.kube.cluster import PYTHON, client, kubeconfig, namespace, needs_cluster
from unslow.collect import cluster
from unslow.collect.prom_workload import Owner, Past
from unslow.collect.time_before import TimeBefore, past
from unslow.diagnose import diagnose
from unslow.errors import Unavailable
from unslow.kube.client import Client
from unslow.kube.core import Pod
from unslow.measure.onset import onset_s
from unslow.settings import Looking

NAME = "http_request_duration_seconds"
HOUR_S = 3600.0


def slow_since(ago_s: float, before_s: float, now_s: float, per_s: float) -> Callable[[float], float]:
    """The sum of a timer."""
    return lambda ago: 1e6 - per_s * (now_s * min(ago, ago_s) + before_s * max(0.0, ago - ago_s))


def route(name: str, sums: Callable[[float], float], per_s: float = 10.0) -> Series:
    by = {"service": "shop", "handler": name}
    return {**series(f"{NAME}_sum", sums, **by), **series(f"{NAME}_count", rising(per_s), **by)}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    found = {
        **route("/items", slow_since(1200.0, 0.02, 0.2, 10.0)),
        **route("/reports", slow_since(0.0, 5.0, 5.0, 10.0)),
    }
    with knowing(tmp_path_factory.mktemp("prometheus"), found, seconds=3 * HOUR_S, step_s=30.0) as made:
        yield made


SHOP = Owner(namespace="market", kind="Deployment", name="shop")


class NoServices:
    """A stand-in for an API server that knows no service."""

    def items(self, *_: object, **__: object) -> list[object]:
        return []


def before(path: str, owner: Owner = SHOP, **more: Any) -> Past:
    return past(Looking(target="market/shop", **more), cast(Any, NoServices()), owner, path, END_S)


def test_a_named_server_that_knows_no_namespaces_is_asked_by_name(address: str) -> None:
    found = before("/items", prometheus=address).series
    means = [point.mean_s for point in found.points if point.mean_s is not None]
    assert means[5] == pytest.approx(0.02, rel=0.05)
    assert means[-1] == pytest.approx(0.2, rel=0.05)
    assert onset_s(found) == pytest.approx(END_S - 1200.0, abs=300.0)


@pytest.mark.parametrize(
    ("path", "told", "remedy"),
    [
        ("", "market/shop", "--series FILE"),
        ("/", "/items, /reports", "--path"),
        ("/carts", "requests to /carts", "--path"),
    ],
)
def test_all_routes_together_are_not_what_is_measured_now(address: str, path: str, told: str, remedy: str) -> None:
    with pytest.raises(Unavailable) as missing:
        before(path, prometheus=address)
    assert told in missing.value.missing
    assert remedy in missing.value.remedy


def test_the_only_service_that_a_server_knows_is_not_taken_for_another(address: str) -> None:
    with pytest.raises(Unavailable) as missing:
        before("/items", owner=Owner(namespace="market", kind="Deployment", name="mail"), prometheus=address)
    assert "market/mail" in missing.value.missing


def test_a_saved_series_needs_no_server(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text("at,mean_s,p99_s,requests_per_s\n" + "".join(f"{60 * at},0.02,0.05,10\n" for at in range(30)))
    assert len(before("", series=file).series.points) == 30


def test_where_the_cluster_has_no_server_one_can_be_named() -> None:
    with pytest.raises(Unavailable) as missing:
        before("/items")
    assert "no service of the cluster looks like one" in missing.value.missing
    assert "--prometheus URL" in missing.value.remedy


def test_what_was_not_begun_has_no_result() -> None:
    asked: list[object] = []

    def ask(*what: object) -> Callable[[], Past]:
        asked.append(what[-2])
        return lambda: cast(Past, "the past")

    found = TimeBefore(Looking(target="market/shop"), cast(Any, NoServices()), SHOP, ask)
    assert found.result() is None
    found.begin("/items", END_S)
    assert found.result() == "the past"
    assert asked == ["/items"]


SERVER = """
import http.server, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.2)
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("", 8000), Slow).serve_forever()
"""


def pod_of_a_deployment(api: Client, where: str) -> str:
    """The name of its only pod, ready."""
    container = {
        "name": "app",
        "image": PYTHON,
        "command": ["python3", "-c", SERVER],
        "ports": [{"containerPort": 8000, "name": "http"}],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
    }
    labels = {"app": "shop"}
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    body = {"metadata": {"name": "shop"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    api.post(f"/apis/apps/v1/namespaces/{where}/deployments", body, dict)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for pod in api.items(f"/api/v1/namespaces/{where}/pods", Pod):
            ready = pod.condition("Ready")
            if ready and ready.status == "True":
                return pod.metadata.name
        time.sleep(0.2)
    raise AssertionError("the pod did not become ready")


@needs_cluster
def test_a_real_workload_is_slower_than_before_since_then(tmp_path: Path) -> None:
    """The past is written down, with a pod of before; the workload, its pod and the server are real."""
    with client() as api, namespace(api) as where:
        pod = pod_of_a_deployment(api, where)
        end_s = time.time() + 60.0
        before_s = 1200.0
        gone = {"namespace": where, "pod": "shop-5d9f8c6b5d-x2x4z", "path": "/items"}
        here = {**gone, "pod": pod}
        held = {
            **series(f"{NAME}_count", lambda ago: 1e6 - 10.0 * max(0.0, ago - before_s), **gone),
            **series(f"{NAME}_sum", lambda ago: 1e6 - 0.2 * max(0.0, ago - before_s), **gone),
            **series(f"{NAME}_count", lambda ago: 10.0 * max(0.0, before_s - ago), **here),
            **series(f"{NAME}_sum", lambda ago: 2.0 * max(0.0, before_s - ago), **here),
        }
        with knowing(tmp_path, held, seconds=2 * HOUR_S, step_s=30.0, end_s=end_s) as address:
            looking = Looking(
                target=f"{where}/shop", kubeconfig=kubeconfig(), budget_s=15.0, prometheus=address, path="/items"
            )
            evidence = cluster.collect(looking, lambda _: None)
    assert evidence.series is not None
    told = {probe.name: probe for probe in evidence.probes}["series"]
    assert told.result == "ok", (told.missing, told.remedy)
    diagnosis = diagnose(evidence)
    assert diagnosis.reference.kind == "before"
    assert diagnosis.account.before_ms == pytest.approx(20.0, rel=0.05)
    assert diagnosis.account.now_ms == pytest.approx(200.0, rel=0.2)
    onset = onset_s(evidence.series)
    assert onset == pytest.approx(end_s - before_s, abs=120.0)
    assert evidence.cluster is not None
    assert evidence.cluster.pods is not None
    (one,) = evidence.cluster.pods.live
    assert one.latency is not None
    assert one.latency.mean_s == pytest.approx(0.2, rel=0.05)
