"""The three identities: what their manifests grant, and what a real API server says that they may."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "rbac"
GOLDEN = Path(__file__).parent / "golden"
IDENTITIES = ("observe", "probe", "change")
READING = {"get", "list", "watch"}
ESCALATING = {
    "secrets", "persistentvolumes", "nodes/proxy", "certificatesigningrequests", "serviceaccounts/token",
    "mutatingwebhookconfigurations", "validatingwebhookconfigurations", "*",
}  # fmt: skip
MAKING = {"pods", "deployments", "statefulsets", "daemonsets", "replicasets", "cronjobs"}
"""Creating one of these is running any image; Jobs are the change identity's load test."""
INSIDE = {"pods/exec", "pods/attach", "pods/ephemeralcontainers", "pods/portforward"}
KUBECONFIG = os.environ.get("UNSLOW_TEST_KUBECONFIG", "")


def objects(name: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all((FOLDER / f"{name}.yaml").read_text()) if one]


def rules(name: str) -> Iterator[tuple[set[str], set[str], set[str]]]:
    for found in objects(name):
        for rule in found.get("rules", ()):
            yield set(rule["apiGroups"]), set(rule["resources"]), set(rule["verbs"])


@pytest.mark.parametrize("name", IDENTITIES)
def test_no_wildcard_and_no_way_up(name: str) -> None:
    for groups, resources, verbs in rules(name):
        assert "*" not in groups | resources | verbs
        assert not resources & ESCALATING
        assert not verbs & {"escalate", "bind", "impersonate", "deletecollection"}
        assert not ("create" in verbs and resources & MAKING)
        assert not ("patch" in verbs and "namespaces" in resources)
        if name != "probe":
            assert not resources & INSIDE


def test_observe_only_reads() -> None:
    assert {verb for _, _, verbs in rules("observe") for verb in verbs} == READING


@pytest.mark.parametrize("name", ["probe", "change"])
def test_the_mightier_two_stay_in_one_namespace(name: str) -> None:
    kinds = {found["kind"] for found in objects(name)}
    assert kinds == {"Role", "RoleBinding", "ServiceAccount"}


def test_the_kubelet_is_no_part_of_the_default() -> None:
    assert "nodes/proxy" in {resource for _, resources, _ in rules("kubelet-metrics") for resource in resources}
    assert not any("kubelet" in found["metadata"]["name"] for name in IDENTITIES for found in objects(name))


@pytest.mark.skipif(not KUBECONFIG, reason="needs a cluster: UNSLOW_TEST_KUBECONFIG")
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
@pytest.mark.parametrize("name", IDENTITIES)
def test_what_the_api_server_allows_is_the_golden_table(name: str) -> None:
    namespace = "unslow"
    kubectl("apply", "-f", str(FOLDER / "observe.yaml"))
    if name != "observe":
        kubectl("apply", "-n", namespace, "-f", str(FOLDER / f"{name}.yaml"))
    identity = f"system:serviceaccount:{namespace}:unslow-{name}"
    table = kubectl("auth", "can-i", "--list", "-n", namespace, "--as", identity)
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UNSLOW_WRITE_GOLDEN"):
        golden.write_text(resources(table))
    assert resources(table) == golden.read_text()


def resources(table: str) -> str:
    """Without the paths that every user may read, which differ between versions; the order of verbs has no meaning."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()[1:]]
    kept = {
        f"{row[0]} [{' '.join(sorted(row[-1].strip('[]').split()))}]"
        for row in rows
        if not row[0].startswith("[") and not row[0].startswith("selfsubject")
    }
    return "\n".join(sorted(kept)) + "\n"


def kubectl(*words: str) -> str:
    command = ["kubectl", "--kubeconfig", KUBECONFIG, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
