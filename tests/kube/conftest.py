from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kube import cluster
from unslow.kube.client import Client


@pytest.fixture(scope="module")
def api() -> Iterator[Client]:
    with cluster.client() as made:
        yield made


@pytest.fixture(scope="module")
def namespace(api: Client) -> Iterator[str]:
    with cluster.namespace(api) as name:
        yield name


@pytest.fixture(scope="module")
def pod(api: Client, namespace: str) -> str:
    """A pod with a small web server and a shell."""
    body = cluster.pod_of(["python3", "-u", "-m", "http.server", "8000"])
    return cluster.running(api, namespace, "web", body).metadata.name
