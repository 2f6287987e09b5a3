from __future__ import annotations

import pytest

from tests.collect.kube_objects import made, pod, service
from unslow.collect.cluster_ports import http_port, speaks_http
from unslow.kube import core


def serving(*ports: dict[str, object]) -> core.Pod:
    probe = {"httpGet": {"port": 8080, "path": "/health"}}
    return pod(spec={"containers": [{"name": "web", "ports": list(ports), "readinessProbe": probe}]})


def port_of(found: core.Pod, *services: core.Service) -> int | None:
    return http_port(found, services, found.spec.containers)


def test_of_several_ports_the_one_that_may_speak_http() -> None:
    metrics = {"containerPort": 9153, "name": "metrics"}
    assert port_of(serving(metrics, {"containerPort": 5000})) == 5000
    assert (
        port_of(serving({"containerPort": 50051, "name": "grpc-api"}, {"containerPort": 9000, "name": "http"})) == 9000
    )


def test_a_name_server_has_none_though_its_probe_asks_by_http() -> None:
    ports = [
        {"containerPort": 53, "name": "dns", "protocol": "UDP"},
        {"containerPort": 53, "name": "dns-tcp"},
        {"containerPort": 9153, "name": "metrics"},
    ]
    assert port_of(serving(*ports)) is None


def test_where_nothing_is_declared_the_probe_tells() -> None:
    assert port_of(serving()) == 8080


def test_the_service_comes_before_the_container() -> None:
    assert port_of(serving({"containerPort": 9999}), service(target=8000)) == 8000
    two = made(
        core.Service,
        metadata={"name": "web", "namespace": "shop"},
        spec={"selector": {"app": "web"}, "ports": [{"port": 6379}, {"port": 80, "targetPort": 9999, "name": "http"}]},
    )
    assert port_of(serving({"containerPort": 9999}), two) == 9999


@pytest.mark.parametrize(
    ("name", "number", "protocol", "http"),
    [
        ("", 5000, "TCP", True),
        ("", 5432, "TCP", False),
        ("http", 5432, "TCP", True),
        ("kubernetes.io/h2c", 80, "TCP", True),
        ("grpc", 80, "TCP", False),
        ("http3", 443, "UDP", False),
        ("api", 8000, "TCP", True),
    ],
)
def test_names_tell_and_numbers_where_there_is_no_name(name: str, number: int, protocol: str, http: bool) -> None:
    assert speaks_http(name, number, protocol) is http
