"""A small workload in a namespace of its own, for the runbook to go through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

KUBECONFIG = os.environ.get("UNSLOW_TEST_KUBECONFIG", "")
AUDIT = os.environ.get("UNSLOW_TEST_AUDIT", "")
"""The API server's audit log, where the machine has it."""
RBAC = Path(__file__).parents[2] / "deploy" / "rbac"
SERVE = (
    "import http.server,threading;"
    "http.server.ThreadingHTTPServer(('',8000),http.server.SimpleHTTPRequestHandler).serve_forever()"
)
LIST_PROCESSES = (
    "import os\nfor p in os.listdir('/proc'):\n if p.isdigit() and int(p)!=os.getpid():\n"
    "  print(open(f'/proc/{p}/cmdline').read().replace(chr(0),' ')[:60])"
)


def manifest(namespace: str, level: str) -> str:
    security = {
        "allowPrivilegeEscalation": False,
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "web",
        "image": "python:3.11-slim",
        "command": ["python3", "-c", SERVE],
        "workingDir": "/usr/share",
        "ports": [{"containerPort": 8000, "name": "http"}],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 2},
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": security,
    }
    labels = {"app": "web"}
    pods = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    objects = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": level}},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {"selector": labels, "ports": [{"name": "http", "port": 8000}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pods},
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


class Target:
    """`with Target("name") as target:`; the namespace is gone afterwards."""

    def __init__(self, namespace: str, level: str = "baseline") -> None:
        self.namespace = namespace
        self._level = level

    def __enter__(self) -> Target:
        kubectl("apply", "-f", "-", stdin=manifest(self.namespace, self._level))
        kubectl("rollout", "status", "-n", self.namespace, "deploy/web", "--timeout=90s")
        kubectl("apply", "-f", str(RBAC / "observe.yaml"))
        return self

    def __exit__(self, *_: object) -> None:
        kubectl("delete", "namespace", self.namespace, "--wait=false")

    def pod(self) -> str:
        return kubectl("get", "pods", "-n", self.namespace, "-l", "app=web", "-o", "name").split()[0]

    def processes(self) -> list[str]:
        """Of the application's container."""
        listed = kubectl("exec", "-n", self.namespace, self.pod(), "-c", "web", "--", "python3", "-c", LIST_PROCESSES)
        return sorted(line for line in listed.splitlines() if line.strip())

    def objects(self) -> list[dict[str, Any]]:
        """What somebody wants of the cluster here, without the status that it reports."""
        kinds = "pods,services,deployments,replicasets,jobs,configmaps,serviceaccounts,roles,rolebindings,hpa"
        found = json.loads(kubectl("get", kinds, "-n", self.namespace, "-o", "json"))["items"]
        for one in found:
            one.pop("status", None)
            one["metadata"].pop("managedFields", None)
            one["metadata"].pop("resourceVersion", None)
            one["metadata"].pop("generation", None)
            one.get("spec", {}).pop("ephemeralContainers", None)  # cannot be removed; judged by `running_extras`
        return sorted(found, key=lambda one: (one["kind"], one["metadata"]["name"]))

    def running_extras(self) -> list[str]:
        """Debug containers that have not ended."""
        status = json.loads(kubectl("get", "-n", self.namespace, self.pod(), "-o", "json"))["status"]
        return [one["name"] for one in status.get("ephemeralContainerStatuses", ()) if "terminated" not in one["state"]]

    def command(self, *options: str) -> list[str]:
        words = [sys.executable, "-m", "unslow.cli", "runbook", f"{self.namespace}/web", "--kubeconfig", KUBECONFIG]
        return [*words, *options]

    def until_clean(self, before: list[dict[str, Any]], processes: list[str], seconds: float) -> str:
        """Empty when everything is as it was within that time, else what differs."""
        until, differs = time.monotonic() + seconds, "?"
        while time.monotonic() < until:
            differs = self._difference(before, processes)
            if not differs:
                return ""
            time.sleep(1.0)
        return differs

    def _difference(self, before: list[dict[str, Any]], processes: list[str]) -> str:
        if self.running_extras():
            return f"debug containers: {self.running_extras()}"
        now = self.objects()
        if now != before:
            mine, theirs = ([f"{one['kind']}/{one['metadata']['name']}" for one in side] for side in (before, now))
            return f"objects: {sorted(set(mine) ^ set(theirs)) or 'changed'}"
        found = self.processes()
        return "" if found == processes else f"processes: {found}"


def kubectl(*words: str, stdin: str = "") -> str:
    command = ["kubectl", "--kubeconfig", KUBECONFIG, *words]
    for _ in range(3):  # the machine may be too busy for its own cluster for a while
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, input=stdin)
        if "Unable to connect" not in done.stderr:
            break
    if done.returncode:
        raise AssertionError(f"kubectl {' '.join(words[:4])}: {done.stderr}")
    return done.stdout
