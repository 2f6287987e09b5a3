from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.kube.api_server import Answer, answering, status
from unslow.collect.cluster_target import Asked, Resolved, asked, finders, is_workload, resolve
from unslow.errors import BadUsage, CannotLook


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop/web", Asked("", "shop", "web")),
        ("deploy/web", Asked("Deployment", "mine", "web")),
        ("deployment.apps/web", Asked("Deployment", "mine", "web")),
        ("sts/db", Asked("StatefulSet", "mine", "db")),
        ("svc/front", Asked("Service", "mine", "front")),
        ("pod/web-1", Asked("Pod", "mine", "web-1")),
        ("incident.unslow", None),
        ("saved/incident.unslow", None),
        ("web", None),
        ("/tmp/x", None),
        ("a/b/c", None),
    ],
)
def test_what_was_asked_for(text: str, expected: Asked | None) -> None:
    assert asked(text, "mine") == expected
    assert is_workload(text) == (expected is not None)


WORKLOAD = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}}
SET = {
    "metadata": {
        "name": "web-1",
        "ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "u", "controller": True}],
    }
}
POD = {
    "metadata": {
        "name": "web-1-x",
        "namespace": "shop",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web-1", "uid": "s", "controller": True}],
    }
}
BARE = {"metadata": {"name": "alone", "namespace": "shop"}}
PATHS = {
    "/apis/apps/v1/namespaces/shop/deployments/web": WORKLOAD,
    "/apis/apps/v1/namespaces/shop/replicasets/web-1": SET,
    "/api/v1/namespaces/shop/pods/web-1-x": POD,
    "/api/v1/namespaces/shop/pods/alone": BARE,
    "/api/v1/namespaces/shop/pods": {"items": [POD]},
    "/api/v1/namespaces/shop/services/front": {"metadata": {"name": "front"}, "spec": {"selector": {"app": "web"}}},
    "/api/v1/namespaces/shop/services/outside": {"metadata": {"name": "outside"}, "spec": {}},
    "/apis/apps/v1/namespaces/shop/deployments": {"items": [WORKLOAD]},
}


def server(path: str, query: dict[str, str], _: object) -> Answer:
    return Answer(PATHS[path]) if path in PATHS else status(404, "NotFound", "not found")


def resolved(target: str) -> Resolved:
    with answering(server) as client, ThreadPoolExecutor(4) as pool:
        return resolve(client, target, "shop", finders(client, target, "shop", pool))


@pytest.mark.parametrize("target", ["shop/web", "deploy/web", "svc/front", "pod/web-1-x"])
def test_every_way_leads_to_the_workload(target: str) -> None:
    found = resolved(target)
    assert (found.kind, found.namespace, found.name, found.selector.text) == ("Deployment", "shop", "web", "app=web")
    assert found.pod == ("web-1-x" if target.startswith("pod") else "")


def test_what_is_not_there_names_what_is() -> None:
    with pytest.raises(CannotLook) as caught:
        resolved("shop/wbe")
    assert "web" in caught.value.remedy


@pytest.mark.parametrize("target", ["pod/alone", "svc/outside"])
def test_what_belongs_to_no_workload_is_told(target: str) -> None:
    with pytest.raises(CannotLook):
        resolved(target)


def test_a_text_that_names_nothing() -> None:
    with pytest.raises(BadUsage):
        resolved("nothing")


def test_a_refusal_is_not_taken_for_absence() -> None:
    def refusing(path: str, query: dict[str, str], _: object) -> Answer:
        return status(403, "Forbidden", "cannot get") if "deployments" in path else status(404, "NotFound")

    refused = pytest.raises(CannotLook, match="cannot get")
    with answering(refusing) as client, ThreadPoolExecutor(4) as pool, refused as caught:
        resolve(client, "shop/web", "shop", finders(client, "shop/web", "shop", pool))
    assert "deployments" in caught.value.remedy
