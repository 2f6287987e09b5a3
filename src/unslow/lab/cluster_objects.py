"""The shop's objects as its manifests have them, and the small edits that make a fault of them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from unslow.errors import CannotLook

Object = dict[str, Any]

MANIFESTS = Path(__file__).parents[3] / "deploy" / "lab"
PART_OF = "app.kubernetes.io/part-of"
FILES = ("namespace", "postgres", "redis", "payments", "orders", "api-gateway", "prometheus")
KINDS = {
    "Namespace": "/api/v1/namespaces",
    "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}


def read(*files: str) -> list[Object]:
    """Raises `CannotLook` where there are no manifests: they are part of the sources, not of the package."""
    try:
        texts = [(MANIFESTS / f"{name}.yaml").read_text() for name in files]
    except FileNotFoundError as error:
        raise CannotLook(
            f"the shop's manifests ({error.filename})", "run from a checkout of the sources: deploy/lab is there"
        ) from error
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def in_namespace(objects: Iterable[Object], namespace: str) -> list[Object]:
    """The same objects for another namespace; what has none gets a name of its own there."""
    moved = []
    for found in copy.deepcopy(list(objects)):
        kind, metadata = found["kind"], found["metadata"]
        if kind == "Namespace":
            metadata["name"] = namespace
        elif kind in {"ClusterRole", "ClusterRoleBinding"}:
            metadata["name"] = f"{metadata['name']}-{namespace}"
            if "roleRef" in found:
                found["roleRef"]["name"] = f"{found['roleRef']['name']}-{namespace}"
        else:
            metadata["namespace"] = namespace
        for subject in found.get("subjects", ()):
            subject["namespace"] = namespace
        moved.append(found)
    return moved


def path(found: Object) -> str:
    """Of the object itself, at the API server."""
    return KINDS[found["kind"]].format(found["metadata"].get("namespace", "")) + "/" + str(found["metadata"]["name"])


def named(objects: Iterable[Object], kind: str, name: str) -> Object:
    return next(one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name)


def container(objects: Iterable[Object], deployment: str) -> Object:
    """The first one of a Deployment's pods."""
    found: Object = named(objects, "Deployment", deployment)["spec"]["template"]["spec"]["containers"][0]
    return found


def set_environment(found: Object, **values: str) -> None:
    """Of a container; a variable that is there already is replaced."""
    kept = [one for one in found.get("env", ()) if one["name"] not in values]
    found["env"] = kept + [{"name": name, "value": value} for name, value in values.items()]


def sidecar(name: str, command: list[str], **environment: str) -> Object:
    """Another container of the orders image, with one of the shop's small programs."""
    found: Object = {
        "name": name,
        "image": "lab/orders:1",
        "command": command,
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
    }
    if environment:
        set_environment(found, **environment)
    return found


def program(kind: str) -> list[str]:
    return ["python3", "/srv/shop/disturb.py", kind]


def deployment(name: str, containers: list[Object], replicas: int = 1) -> Object:
    labels = {"app": name, PART_OF: "shop"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": containers},
            },
        },
    }
