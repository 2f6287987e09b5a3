"""Pods without a kubelet: a Node object that nobody runs, and pods bound to it that tolerate everything.

They stay for some minutes, long enough to be listed; what is made is removed by `removed`.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from unslow.kube.client import Client
from unslow.kube.config import load
from unslow.kube.errors import ApiError

NAMESPACE = "unslow-ghosts"
NODE = "unslow-ghost"
TOGETHER = 24


def kubeconfig() -> Path:
    path = os.environ.get("UNSLOW_TEST_KUBECONFIG")
    if not path:
        sys.exit("UNSLOW_TEST_KUBECONFIG is not set: this benchmark needs a real API server")
    return Path(path)


def client() -> Client:
    return Client(load(kubeconfig()))


def pod(number: int) -> dict[str, object]:
    """About the size of an ordinary pod: 5 KB with what the server adds."""
    container = {
        "name": "web",
        "image": "registry.example/team/web:1.2.3",
        "env": [{"name": f"SETTING_{i}", "value": "a value of a usual length"} for i in range(20)],
        "ports": [{"containerPort": 8000, "name": "http"}],
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "500m", "memory": "256Mi"}},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
    }
    return {
        "metadata": {
            "name": f"ghost-{number:05d}",
            "labels": {"app": "ghost", "pod-template-hash": f"{number % 40:06d}", "team": f"team-{number % 25}"},
            "annotations": {f"example.com/note-{i}": "x" * 60 for i in range(6)},
        },
        "spec": {
            "nodeName": NODE,
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [container],
        },
    }


def made(count: int) -> None:
    """The namespace, the Node, then the pods."""
    with client() as api:
        _ensure(api, "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        # Never scheduled to: only pods that name it land there.
        spec = {"unschedulable": True, "taints": [{"key": "unslow/ghost", "effect": "NoSchedule"}]}
        _ensure(api, "/api/v1/nodes", {"metadata": {"name": NODE}, "spec": spec})
        account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
        for _ in range(100):
            try:
                api.get(account, dict)
                break
            except ApiError:
                time.sleep(0.1)
        _pods(api, count)


def _ensure(api: Client, path: str, body: object) -> None:
    try:
        api.post(path, body, dict)
    except ApiError as error:
        if error.code != 409:
            raise


def _pods(api: Client, count: int) -> None:
    def post(number: int) -> None:
        _ensure(api, f"/api/v1/namespaces/{NAMESPACE}/pods", pod(number))

    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(post, range(count)))


def removed() -> None:
    with client() as api:
        api.send(
            "DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods", parameters={"gracePeriodSeconds": 0}, timeout_s=120.0
        )
        api.delete(f"/api/v1/nodes/{NODE}")
        api.delete(f"/api/v1/namespaces/{NAMESPACE}")
