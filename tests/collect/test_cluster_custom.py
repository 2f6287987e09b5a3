"""Karpenter's and the vertical autoscaler's objects on a real API server, by minimal definitions of their resources."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kube.cluster import PYTHON, client, kubeconfig, namespace, needs_cluster
from unslow.checks import all_checks
from unslow.collect import cluster
from unslow.evidence import Evidence
from unslow.evidence.window import Window
from unslow.finding import Finding
from unslow.kube.client import Client
from unslow.kube.errors import ApiError
from unslow.settings import Looking

pytestmark = needs_cluster

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KARPENTER = "/apis/karpenter.sh/v1"


def definition(group: str, kind: str, plural: str, scope: str, version: str = "v1") -> dict[str, Any]:
    """Any content: the fields are those that the published schema has."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, a test's own"},
        },
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


@contextlib.contextmanager
def defined(api: Client, *found: dict[str, Any]) -> Iterator[None]:
    names = [one["metadata"]["name"] for one in found]
    with contextlib.ExitStack() as undo:
        for one, name in zip(found, names, strict=True):
            try:
                api.post(DEFINITIONS, one, dict)
            except ApiError as error:
                if error.code == 409:
                    pytest.skip(f"the cluster has {name} already")
                raise
            undo.callback(api.delete, f"{DEFINITIONS}/{name}")
        for _ in range(100):
            served = [
                api.get(f"{DEFINITIONS}/{name}", dict).get("status", {}).get("conditions") or [] for name in names
            ]
            if all(any(c["type"] == "Established" and c["status"] == "True" for c in one) for one in served):
                break
            time.sleep(0.1)
        yield


def made(api: Client, path: str, body: dict[str, Any]) -> None:
    """The server needs a moment after it called a definition established."""
    for attempt in range(50):
        try:
            api.post(path, body, dict)
        except ApiError as error:
            if error.code != 404 or attempt == 49:
                raise
            time.sleep(0.1)
        else:
            return


def deployment(api: Client, where: str, cpu: str) -> None:
    container = {
        "name": "app",
        "image": PYTHON,
        "command": ["sleep", "999"],
        "resources": {"requests": {"cpu": cpu, "memory": "16Mi"}},
    }
    template = {
        "metadata": {"labels": {"app": "shop"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    spec = {"selector": {"matchLabels": {"app": "shop"}}, "template": template}
    api.post(f"/apis/apps/v1/namespaces/{where}/deployments", {"metadata": {"name": "shop"}, "spec": spec}, dict)
    for _ in range(100):
        if api.get(f"/api/v1/namespaces/{where}/pods", dict)["items"]:
            return
        time.sleep(0.1)


def looked(where: str) -> Evidence:
    return cluster.facts(Looking(target=f"{where}/shop", kubeconfig=kubeconfig(), budget_s=10.0), lambda _: None)


def condition(type_: str, status: str, reason: str, message: str) -> dict[str, str]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 600))
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": at}


def test_a_pool_at_its_limit_and_a_launch_that_was_refused() -> None:
    with (
        client() as api,
        namespace(api) as where,
        defined(
            api,
            definition("karpenter.sh", "NodePool", "nodepools", "Cluster"),
            definition("karpenter.sh", "NodeClaim", "nodeclaims", "Cluster"),
        ),
    ):
        pool = {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodePool",
            "metadata": {"name": "general"},
            "spec": {
                "limits": {"cpu": "16", "memory": "64Gi"},
                "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "30s"},
            },
            "status": {"resources": {"cpu": "16", "memory": "32Gi"}},
        }
        claim = {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodeClaim",
            "metadata": {"name": "general-x7k2p", "labels": {"karpenter.sh/nodepool": "general"}},
            "status": {
                "conditions": [
                    condition("Launched", "False", "InsufficientCapacityError", "no m5.large in zone-a"),
                ]
            },
        }
        made(api, f"{KARPENTER}/nodepools", pool)
        made(api, f"{KARPENTER}/nodeclaims", claim)
        deployment(api, where, "900")
        evidence = looked(where)
        for _ in range(100):
            evidence = looked(where)
            assert evidence.cluster is not None
            if evidence.cluster.pods and all(pod.unschedulable for pod in evidence.cluster.pods.pods):
                break
            time.sleep(0.2)
    seen = evidence.cluster
    assert seen is not None
    assert seen.provisioning is not None
    [read] = seen.provisioning.pools
    assert (read.limit_cores, read.used_cores, read.consolidate_after_s) == (16.0, 16.0, 30.0)
    later = Window(start_s=evidence.window.start_s, end_s=evidence.window.end_s + 60.0)
    found = all_checks()["pods_pending"](
        pods=seen.pods, window=later, nodes=seen.nodes, provisioning=seen.provisioning, account=None
    )
    assert isinstance(found, Finding)
    assert "NodePool general has 16 of its limit of 16 cores" in found.because
    assert "InsufficientCapacityError no m5.large in zone-a" in found.because


def test_a_recommendation_that_nothing_applies() -> None:
    with (
        client() as api,
        namespace(api) as where,
        defined(api, definition("autoscaling.k8s.io", "VerticalPodAutoscaler", "verticalpodautoscalers", "Namespaced")),
    ):
        recommended = {
            "containerName": "app",
            "lowerBound": {"cpu": "400m", "memory": "200Mi"},
            "target": {"cpu": "600m", "memory": "262144k"},
            "upperBound": {"cpu": "1", "memory": "1Gi"},
        }
        vpa = {
            "apiVersion": "autoscaling.k8s.io/v1",
            "kind": "VerticalPodAutoscaler",
            "metadata": {"name": "shop"},
            "spec": {
                "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
                "updatePolicy": {"updateMode": "Off"},
            },
            "status": {"recommendation": {"containerRecommendations": [recommended]}},
        }
        made(api, f"/apis/autoscaling.k8s.io/v1/namespaces/{where}/verticalpodautoscalers", vpa)
        deployment(api, where, "10m")
        evidence = looked(where)
    seen = evidence.cluster
    assert seen is not None
    found = all_checks()["vpa_ignored"](autoscalers=seen.autoscalers, pods=seen.pods, nodes=None, account=None)
    assert isinstance(found, Finding)
    assert "app reserves 10m of CPU and needs 600m" in found.because
    assert "app reserves 16 MiB and needs 250 MiB" in found.because
    assert "shop is in mode Off" in found.because
