"""The real cluster of the tests, and a namespace of one's own in it."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from unslow.kube.client import Client
from unslow.kube.config import load
from unslow.kube.core import Pod
from unslow.kube.errors import ApiError

needs_cluster = pytest.mark.skipif(
    not os.environ.get("UNSLOW_TEST_KUBECONFIG"), reason="UNSLOW_TEST_KUBECONFIG names no real cluster"
)
PYTHON = "python:3.11-slim"


def kubeconfig() -> Path:
    return Path(os.environ["UNSLOW_TEST_KUBECONFIG"])


def client(as_user: str = "", as_groups: tuple[str, ...] = ()) -> Client:
    return Client(load(kubeconfig(), as_user=as_user, as_groups=as_groups))


@contextlib.contextmanager
def namespace(api: Client, labels: dict[str, str] | None = None) -> Iterator[str]:
    name = f"unslow-test-{secrets.token_hex(4)}"
    api.post("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels or {}}}, dict)
    for _ in range(200):  # pods are refused until the controller has made it
        with contextlib.suppress(ApiError):
            api.get(f"/api/v1/namespaces/{name}/serviceaccounts/default", dict)
            break
        time.sleep(0.05)
    try:
        yield name
    finally:
        api.delete(f"/api/v1/namespaces/{name}")


def pod_of(command: list[str], image: str = PYTHON, **extra: object) -> dict[str, object]:
    container = {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": command, **extra}
    return {"spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}


def running(api: Client, where: str, name: str, body: dict[str, object], seconds: float = 60.0) -> Pod:
    """Makes the pod and waits until it is ready."""
    path = f"/api/v1/namespaces/{where}/pods"
    api.post(path, {"metadata": {"name": name}, **body}, dict)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pod = api.get(f"{path}/{name}", Pod)
        ready = pod.condition("Ready")
        if ready and ready.status == "True":
            return pod
        time.sleep(0.1)
    raise AssertionError(f"pod {name} did not become ready")
