"""Debug containers: what their specifications say, and what only a real cluster shows."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests.kube.cluster import PYTHON, client, namespace, needs_cluster, pod_of, running
from unslow.errors import Unavailable
from unslow.kube import ephemeral
from unslow.kube.client import Client
from unslow.kube.core import Pod
from unslow.kube.ephemeral import DEFAULT_ROOT, Container, fresh_name


def container(*command: str, **more: object) -> Container:
    return Container(name=fresh_name("test"), image=PYTHON, command=command, **more)  # type: ignore[arg-type]


def test_names_are_never_used_twice() -> None:
    names = {fresh_name("timed") for _ in range(50)}
    assert len(names) == 50
    assert all(name.startswith("unslow-timed-") and len(name) < 64 for name in names)


def test_without_being_told_otherwise_it_is_nobody_and_sees_no_processes() -> None:
    spec = container("true").spec()
    security = spec["securityContext"]
    assert isinstance(security, dict)
    assert security["runAsNonRoot"] is True
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert "targetContainerName" not in spec
    assert container("true", target="main").spec()["targetContainerName"] == "main"


def test_a_person_can_type_the_same() -> None:
    assert container("a b").command_for_a_person("market", "shop-0") == (
        f"kubectl debug -n market shop-0 --profile=restricted --image={PYTHON} -- 'a b'"
    )
    assert "--profile=netadmin" in container("x", security=DEFAULT_ROOT).command_for_a_person("market", "shop-0")


@pytest.fixture(scope="module")
def api() -> Iterator[Client]:
    if not os.environ.get("UNSLOW_TEST_KUBECONFIG"):
        pytest.skip("UNSLOW_TEST_KUBECONFIG names no real cluster")
    with client() as found:
        yield found


@pytest.fixture(scope="module")
def where(api: Client) -> Iterator[str]:
    with namespace(api, {"pod-security.kubernetes.io/enforce": "baseline"}) as made:
        running(api, made, "web", pod_of(["sleep", "600"]))
        yield made


@needs_cluster
def test_it_ends_by_itself_and_what_stays_is_told(api: Client, where: str) -> None:
    made = container("python3", "-c", "print('seen')")
    ephemeral.add(api, where, "web", made)
    assert ephemeral.finished(api, where, "web", made.name, 60.0) == "seen"
    left = ephemeral.left_behind(api, where, "web", made)
    assert made.name in left
    assert "it ran " in left
    assert "pin it" in left
    with pytest.raises(Unavailable, match="ended at once"):
        ephemeral.need_running(api, where, "web", made.name)


@needs_cluster
def test_one_that_runs_is_started_and_not_finished(api: Client, where: str) -> None:
    made = container("sleep", "20")
    ephemeral.add(api, where, "web", made)
    ephemeral.started(api, where, "web", made.name)
    ephemeral.need_running(api, where, "web", made.name)
    with pytest.raises(Unavailable, match="the end of the debug container"):
        ephemeral.finished(api, where, "web", made.name, 0.5)


@needs_cluster
def test_an_image_that_is_not_there_is_told(api: Client, where: str) -> None:
    made = Container(name=fresh_name("test"), image="localhost/none:1", command=("true",))
    ephemeral.add(api, where, "web", made)
    begun = time.monotonic()
    with pytest.raises(Unavailable) as told:
        ephemeral.started(api, where, "web", made.name)
    assert "the debug image (" in told.value.missing, f"after {time.monotonic() - begun:.0f} s"
    assert "--debug-image" in told.value.remedy


@needs_cluster
def test_a_level_that_forbids_it_is_named_and_nothing_is_added(api: Client, where: str) -> None:
    more = {"capabilities": {"add": ["SYS_PTRACE"]}}
    before = api.get(f"/api/v1/namespaces/{where}/pods/web", Pod).spec.ephemeral_containers
    with pytest.raises(Unavailable) as told:
        ephemeral.add(api, where, "web", container("true", security=more, instead="look elsewhere"))
    assert f"Pod Security level baseline of namespace {where}" in told.value.missing
    assert told.value.remedy.startswith("look elsewhere")
    assert api.get(f"/api/v1/namespaces/{where}/pods/web", Pod).spec.ephemeral_containers == before


@needs_cluster
def test_who_may_not_is_told_the_right(api: Client, where: str) -> None:
    with client("nobody-special") as weak, pytest.raises(Unavailable) as told:
        ephemeral.need_admission(weak, where, "web", container("true"))
    assert told.value.missing == f"permission to patch pods/ephemeralcontainers in namespace {where}"
    assert "probe.yaml" in told.value.remedy
