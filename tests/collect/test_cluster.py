"""A workload of a real cluster, looked at as a whole."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.cluster import PYTHON, client, kubeconfig, namespace, needs_cluster
from tests.kube.relay import Relay
from unslow import bundle
from unslow.collect import cluster
from unslow.errors import BadUsage, CannotLook
from unslow.evidence import Evidence
from unslow.kube.client import Client
from unslow.kube.core import Pod
from unslow.kube.execute import execute
from unslow.settings import Looking

pytestmark = needs_cluster

PROGRAM = """
import http.server, time
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.03)
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *a): pass
print("slow query 250 ms SELECT * FROM items WHERE id = 7", flush=True)
http.server.ThreadingHTTPServer(("", 8000), H).serve_forever()
"""
OBSERVER = "unslow-test-observer"


def quiet(_: str) -> None:
    pass


def looking(target: str, **more: object) -> Looking:
    return Looking(**{"target": target, "kubeconfig": kubeconfig(), "budget_s": 15.0, "path": "/x", **more})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def api() -> Iterator[Client]:
    with client() as made:
        yield made


@pytest.fixture(scope="module")
def where(api: Client) -> Iterator[str]:
    with namespace(api) as name:
        container = {
            "name": "web",
            "image": PYTHON,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "-c", PROGRAM],
            "ports": [{"containerPort": 8000, "name": "http"}],
            "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
            "resources": {"requests": {"cpu": "20m"}, "limits": {"cpu": "500m"}},
        }
        deployment = {
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
                },
            },
        }
        service = {
            "metadata": {"name": "front"},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
        }
        api.post(f"/apis/apps/v1/namespaces/{name}/deployments", deployment, dict)
        api.post(f"/api/v1/namespaces/{name}/services", service, dict)
        until = time.monotonic() + 90
        while time.monotonic() < until and len(ready(api, name)) < 2:
            time.sleep(0.2)
        yield name


def ready(api: Client, where: str) -> list[str]:
    pods = api.items(f"/api/v1/namespaces/{where}/pods", Pod, labels="app=web")
    return [
        pod.metadata.name for pod in pods if (found := pod.condition("Ready")) is not None and found.status == "True"
    ]


def processes(api: Client, where: str, pod: str) -> list[bytes]:
    """All of the container but the one that lists them."""
    program = "import os;print([n for n in os.listdir('/proc') if n.isdigit() and int(n)!=os.getpid()])"
    return re.findall(rb"'(\d+)'", execute(api, where, pod, ["python3", "-c", program]).stdout)


def outcome(evidence: Evidence, name: str) -> str:
    return next(probe.result for probe in evidence.probes if probe.name == name)


def test_everything_of_a_workload_by_its_service(api: Client, where: str) -> None:
    evidence = cluster.collect(looking("svc/front", namespace=where), quiet)
    assert evidence.requests is not None
    assert sum(evidence.requests.total_s) / len(evidence.requests.due_s) > 0.029
    assert evidence.cpu is not None
    assert evidence.cpu.limit_cores == 0.5
    assert evidence.cluster is not None
    assert evidence.cluster.workload is not None
    assert evidence.cluster.workload.replicas_ready == 2
    assert evidence.cluster.services is not None
    assert [(one.name, len(one.endpoints), one.ports[0].matches) for one in evidence.cluster.services.services] == [
        ("front", 2, True)
    ]
    assert evidence.cluster.pods is not None
    assert len(evidence.cluster.pods.pods) == 2
    assert evidence.cluster.nodes is not None
    assert sum(node.target_pods for node in evidence.cluster.nodes.nodes) == 2
    assert evidence.slow_log is not None
    assert evidence.slow_log.statements[0].max_s == 0.25
    assert not [probe for probe in evidence.probes if probe.result == "failed"]
    assert bundle.decode(bundle.encode(evidence)) == evidence
    for pod in ready(api, where):
        assert len(processes(api, where, pod)) == 1


def test_facts_need_few_requests(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    noted = Client.noted
    monkeypatch.setattr(Client, "noted", lambda self, response: (sent.append(1), noted(self, response))[1])
    evidence = cluster.facts(looking(f"{where}/web"), quiet)
    assert len(sent) <= 60
    assert evidence.cluster is not None
    assert evidence.cluster.pods is not None
    assert evidence.requests is None


def test_without_exec_requests_go_through_a_forwarded_port(where: str) -> None:
    evidence = cluster.collect(looking(f"{where}/web", use_exec=False), quiet)
    assert evidence.requests is not None
    assert evidence.cpu is None
    cpu = next(probe for probe in evidence.probes if probe.name == "cpu")
    assert (cpu.result, cpu.missing) == ("skipped", "exec was switched off")


def test_an_identity_that_may_only_look_gets_a_report_with_the_missing_verbs(api: Client, where: str) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["pods", "events", "services"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": ["get", "list"]},
    ]
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{where}"
    api.post(f"{base}/roles", {"metadata": {"name": "observer"}, "rules": rules}, dict)
    binding = {
        "metadata": {"name": "observer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "observer"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": OBSERVER}],
    }
    api.post(f"{base}/rolebindings", binding, dict)
    evidence = cluster.collect(looking(f"{where}/web", as_user=OBSERVER, budget_s=8.0), quiet)
    gaps = {probe.name: f"{probe.missing} {probe.remedy}" for probe in evidence.probes if probe.result == "skipped"}
    assert outcome(evidence, "pods") == "ok"
    assert "pods/exec" in gaps["cpu"]
    assert "pods/portforward" in gaps["requests"]
    assert "nodes" in gaps["nodes"]
    assert "endpointslices" in gaps["services"]
    assert not [probe for probe in evidence.probes if probe.result == "failed"]


def test_nothing_runs_on_in_the_pods_when_unslow_is_killed(api: Client, where: str) -> None:
    program = (
        "import sys; from pathlib import Path; from unslow.collect.cluster import collect;"
        "from unslow.settings import Looking;"
        "collect(Looking(target=sys.argv[1], kubeconfig=Path(sys.argv[2]), budget_s=60, path='/x'), lambda text: None)"
    )
    for after_s in (3.0, 6.0):
        ours = subprocess.Popen([sys.executable, "-c", program, f"{where}/web", str(kubeconfig())])
        time.sleep(after_s)
        os.kill(ours.pid, signal.SIGKILL)
        ours.wait()
        until = time.monotonic() + 15
        counts = [2]
        while max(counts) > 1 and time.monotonic() < until:
            time.sleep(0.3)
            counts = [len(processes(api, where, pod)) for pod in ready(api, where)]
        assert counts == [1, 1]


def test_a_workload_that_is_not_there_names_those_that_are(where: str) -> None:
    with pytest.raises(CannotLook) as caught:
        cluster.facts(looking(f"{where}/wbe"), quiet)
    assert "web" in caught.value.remedy


def test_an_api_server_that_goes_away_in_the_middle_costs_only_what_it_did_not_answer(
    api: Client, where: str, tmp_path: Path
) -> None:
    relay = Relay(api.access.server)
    wanted = looking(f"{where}/web", kubeconfig=relay.kubeconfig(kubeconfig(), tmp_path), budget_s=12.0)
    threading.Timer(5.0, relay.cut).start()
    began = time.monotonic()
    evidence = cluster.collect(wanted, quiet)
    assert time.monotonic() - began < 40  # the budget, with a wide margin for a busy machine
    assert evidence.cluster is not None
    assert evidence.cluster.workload is not None
    assert evidence.cluster.services is not None
    assert evidence.cluster.pods is not None
    assert evidence.cpu is None
    assert outcome(evidence, "cpu") == outcome(evidence, "requests") == outcome(evidence, "kubelet") == "skipped"
    assert not [probe for probe in evidence.probes if probe.result == "failed"]


def test_an_unknown_context_and_a_server_that_is_not_there(tmp_path: Path, api: Client) -> None:
    with pytest.raises(BadUsage):
        cluster.facts(looking("a/b", context="nowhere"), quiet)
    relay = Relay(api.access.server)
    relay.cut()
    with pytest.raises(CannotLook, match="cannot be reached"):
        cluster.facts(looking("a/b", kubeconfig=relay.kubeconfig(kubeconfig(), tmp_path)), quiet)


@contextlib.contextmanager
def without_python(api: Client, level: str) -> Iterator[str]:
    """A namespace with a workload in whose container no Python is found; its processes are not root's."""
    with namespace(api, {"pod-security.kubernetes.io/enforce": level}) as where:
        security = {
            "runAsUser": 10001,
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        container = {
            "name": "web",
            "image": PYTHON,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/bin/sh", "-c", '/bin/cp -L /usr/bin/python3 /tmp/python3; exec /tmp/python3 -c "$PROGRAM"'],
            "env": [
                {"name": "PATH", "value": "/nowhere"},
                {"name": "PYTHONHOME", "value": "/usr"},
                {"name": "PROGRAM", "value": PROGRAM},
            ],
            "ports": [{"containerPort": 8000}],
            "securityContext": security,
        }
        deployment = {
            "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
                },
            },
        }
        api.post(f"/apis/apps/v1/namespaces/{where}/deployments", deployment, dict)
        until = time.monotonic() + 60
        while time.monotonic() < until and not ready(api, where):
            time.sleep(0.2)
        yield where


@pytest.mark.parametrize(
    ("level", "form"),
    [("privileged", "with SYS_PTRACE"), ("baseline", "without SYS_PTRACE"), ("restricted", "without SYS_PTRACE")],
)
def test_an_image_without_python_says_what_a_debug_container_could_do(api: Client, level: str, form: str) -> None:
    with without_python(api, level) as where:
        evidence = cluster.collect(looking(f"{where}/web", budget_s=12.0), quiet)
        (pod,) = ready(api, where)
        found = api.get(f"/api/v1/namespaces/{where}/pods/{pod}", Pod)
    cpu = next(probe for probe in evidence.probes if probe.name == "cpu")
    assert cpu.missing == "Python in the image of container web"
    assert form in cpu.remedy
    assert evidence.requests is not None  # through a forwarded port
    assert not found.spec.ephemeral_containers


def test_a_debug_container_looks_where_the_image_cannot(api: Client) -> None:
    with without_python(api, "restricted") as where:
        evidence = cluster.collect(looking(f"{where}/web", budget_s=25.0, debug_image=PYTHON), quiet)
    assert evidence.sockets is not None
    assert evidence.cpu is not None
    assert evidence.cpu.limit_cores is None  # the debug container's own control group is not taken for the target's
    assert evidence.requests is not None
    assert sum(evidence.requests.total_s) / len(evidence.requests.due_s) > 0.019
    assert evidence.cluster is not None
    assert evidence.cluster.pods is not None
    assert evidence.cluster.pods.looked_into
    left = next(probe for probe in evidence.probes if probe.name == "removal")
    assert left.missing.startswith("a way to remove ephemeral container unslow-inside-")
    assert "ends by itself" in left.missing


def test_the_capability_to_read_processes_is_asked_for_as_root_for_whom_alone_it_is_in_force(api: Client) -> None:
    with without_python(api, "privileged") as where:
        evidence = cluster.collect(looking(f"{where}/web", budget_s=25.0, debug_image=PYTHON), quiet)
        (pod,) = ready(api, where)
        spec = api.get(f"/api/v1/namespaces/{where}/pods/{pod}", dict)["spec"]
    (beside,) = spec["ephemeralContainers"]
    assert beside["securityContext"]["runAsUser"] == 0
    assert beside["securityContext"]["capabilities"]["add"] == ["SYS_PTRACE"]
    assert evidence.server is not None  # processes of another user are seen
