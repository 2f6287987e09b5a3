"""The shop in a real cluster comes, answers, and goes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from unslow.errors import CannotLook
from unslow.kube.client import Client
from unslow.kube.config import load
from unslow.kube.core import Namespace
from unslow.kube.errors import ApiError
from unslow.lab.cluster import HEALTHY, ClusterLab

KUBECONFIG = os.environ.get("UNSLOW_TEST_KUBECONFIG", "")
IMAGES = os.environ.get("UNSLOW_TEST_LAB_IMAGES", "")
NAMESPACE = "unslow-lab-test"

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(not KUBECONFIG, reason="needs a cluster: UNSLOW_TEST_KUBECONFIG"),
]


def test_a_namespace_of_others_is_refused_and_left_alone() -> None:
    with (
        pytest.raises(CannotLook, match="not the shop's own"),
        ClusterLab(kubeconfig=Path(KUBECONFIG), namespace="kube-system"),
    ):
        raise AssertionError("it was not refused")
    with Client(load(Path(KUBECONFIG))) as client:
        assert client.get("/api/v1/namespaces/kube-system", Namespace).metadata.name == "kube-system"


@pytest.mark.skipif(not IMAGES, reason="needs the images of deploy/lab in the cluster: UNSLOW_TEST_LAB_IMAGES (prefix)")
def test_it_comes_serves_and_goes() -> None:
    with ClusterLab(kubeconfig=Path(KUBECONFIG), namespace=NAMESPACE, images=IMAGES) as lab:
        lab.switch(HEALTHY)
        since_s = time.time()
        time.sleep(5)
        mean_ms, n, failed = lab.seen("/orders", since_s)
        assert n > 5
        assert failed == 0
        assert mean_ms > 0
    with Client(load(Path(KUBECONFIG))) as client:
        for path in (
            f"/api/v1/namespaces/{NAMESPACE}",
            f"/apis/rbac.authorization.k8s.io/v1/clusterroles/shop-prometheus-{NAMESPACE}",
        ):
            with pytest.raises(ApiError) as caught:
                client.send("GET", path)
            assert caught.value.code == 404
