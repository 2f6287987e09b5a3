from __future__ import annotations

import pytest

from tests.collect.kube_objects import made, pod, service
from unslow.collect.cluster_databases import only, rewritten, ways_in
from unslow.collect.cluster_ladder import need_room, path_of, place
from unslow.collect.cluster_nodes import Used
from unslow.collect.dsn import Candidate, Given
from unslow.errors import Unavailable
from unslow.kube import core


def test_the_busiest_ready_pod_its_container_and_the_port_behind_the_service() -> None:
    node = made(core.Node, metadata={"name": "node-1"}, status={"nodeInfo": {"architecture": "arm64"}})
    unready = pod("web-0", status={"conditions": [{"type": "Ready", "status": "False"}]})
    found = place([unready, pod("web-1"), pod("web-2")], [service()], {"node-1": node}, {"web-0": 9.0, "web-2": 1.0})
    assert (found.pod, found.container, found.port, found.architecture) == ("web-2", "web", 8000, "arm64")
    assert place([pod("web-1"), pod("web-2")], [], {}, {"web-2": 1.0}, "web-1").pod == "web-1"


def test_a_port_may_come_from_the_probe_alone() -> None:
    probed = pod(spec={"containers": [{"name": "web", "readinessProbe": {"httpGet": {"port": 9000, "path": "/ok"}}}]})
    assert place([probed], [], {}, {}).port == 9000
    silent = pod(spec={"containers": [{"name": "web"}]})
    with pytest.raises(Unavailable, match="port"):
        place([silent], [], {}, {})


def test_no_running_pod_is_told() -> None:
    with pytest.raises(Unavailable, match="running pod"):
        place([pod(status={"phase": "Pending"})], [], {}, {})


def test_the_path_as_asked_else_of_the_probe_else_the_root() -> None:
    probed = pod(spec={"containers": [{"name": "web", "readinessProbe": {"httpGet": {"port": 1, "path": "/ok"}}}]})
    assert path_of("items", None, probed) == ("/items", "user")
    assert path_of("/items", None, probed) == ("/items", "user")
    assert path_of("", None, probed) == ("/ok", "probe")
    assert path_of("", None, pod()) == ("/", "nobody")


def test_ways_in_are_the_users_then_those_of_plain_settings() -> None:
    container = made(
        core.Container,
        name="c",
        env=[
            {"name": "DATABASE_URL", "value": "postgresql://app:pw@db:5432/app"},
            {"name": "HIDDEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
    )
    (found,) = ways_in([container], Given())
    assert (found.kind, found.address) == ("postgresql", "db:5432")
    (given,) = ways_in([container], Given(postgres="postgresql://other@elsewhere:5433/app"))
    assert given.address == "elsewhere:5433"


def test_logins_are_kept_when_the_address_becomes_ours() -> None:
    cache = Candidate(kind="redis", dsn="redis://:secret@cache:6379/0", source="x", address="cache:6379")
    assert rewritten(cache, 4321).dsn == "redis://:secret@127.0.0.1:4321/0"
    database = Candidate(kind="postgresql", dsn="host=db port=5432 user=app password=pw", source="x", address="db:5432")
    assert "host=127.0.0.1" in rewritten(database, 4321).dsn
    assert "password=pw" in rewritten(database, 4321).dsn


def test_the_port_that_was_asked_for_comes_first() -> None:
    both = made(
        core.Service,
        metadata={"name": "db"},
        spec={"ports": [{"port": 9187, "targetPort": 9187}, {"port": 5432, "targetPort": "pg"}]},
    )
    assert [port.port for port in only(both, 5432).spec.ports or ()] == [5432, 9187]


def limited(resource: str, *limits: str | None) -> core.Pod:
    containers = [
        {"name": f"c{n}", "resources": {"limits": {resource: limit} if limit else {}}} for n, limit in enumerate(limits)
    ]
    return pod(spec={"containers": containers})


def test_a_pod_near_a_limit_is_not_read_from_inside() -> None:
    with pytest.raises(Unavailable, match=r"0\.18 of its 0\.20 cores"):
        need_room(limited("cpu", "200m"), Used(cores=0.18))
    with pytest.raises(Unavailable, match="room for a reader"):
        need_room(limited("cpu", "150m", "50m"), None)
    with pytest.raises(Unavailable, match=r"120 of its 160 MiB"):
        need_room(limited("memory", "160Mi"), Used(memory_bytes=120 * 2**20))


def test_room_or_no_limit_lets_a_reader_in() -> None:
    need_room(limited("cpu", "500m"), Used(cores=0.2))
    need_room(limited("cpu", "200m", None), Used(cores=0.19))
    need_room(limited("cpu", None), Used(cores=3.0))
    need_room(limited("memory", "256Mi"), Used(memory_bytes=130 * 2**20))
