"""The way to a server of metrics or logs: an address that was given, or one found in the cluster.

From inside the cluster it is asked directly; from outside through a forwarded port, else through the API server's
proxy, whichever this identity may.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import msgspec

from unslow.collect.cluster_services import target_port
from unslow.collect.prom_http import TOTAL_S
from unslow.collect.prom_login import Login
from unslow.collect.prometheus_api import Api
from unslow.errors import Unavailable
from unslow.kube.access import Permission, may
from unslow.kube.client import Client
from unslow.kube.core import Pod, Service
from unslow.kube.port_forward import forwarded

IN_CLUSTER = "in-cluster"
"""The context's name where the pod's own service account is used."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What its service is called, where it listens, and below which path its query API lies."""

    words: tuple[str, ...]
    ports: tuple[int, ...]
    path: str = ""


METRICS = (
    Kind(words=("thanos-query", "thanos-querier"), ports=(9090, 9091, 9092, 10902, 80)),
    Kind(words=("prometheus",), ports=(9090, 9091, 8080, 80)),
    Kind(words=("vmselect",), ports=(8481,), path="/select/0/prometheus"),
    Kind(words=("vmsingle", "victoria-metrics", "victoriametrics"), ports=(8428, 8429), path="/prometheus"),
    Kind(
        words=("mimir-gateway", "mimir-nginx", "mimir-query-frontend", "cortex-nginx", "cortex-query-frontend"),
        ports=(80, 8080, 9009),
        path="/prometheus",
    ),
    Kind(words=("mimir", "cortex"), ports=(8080, 9009), path="/prometheus"),
)
LOGS = (
    Kind(words=("loki-gateway", "loki-query-frontend", "loki-read"), ports=(80, 3100, 8080)),
    Kind(words=("loki",), ports=(3100,)),
)
_NOT_IT = (
    "node-exporter", "operator", "adapter", "pushgateway", "alertmanager", "blackbox", "kube-state", "headless",
    "memberlist", "canary", "exporter", "vmagent", "vminsert", "vmstorage", "ruler", "distributor", "ingester", "grafana",
)  # fmt: skip


@contextlib.contextmanager
def metrics(
    client: Client,
    namespace: str,
    address: str | None,
    login: Login = Login(),  # noqa: B008
    total_s: float = TOTAL_S,
) -> Iterator[Api]:
    """The Prometheus at `address`, else the one found in the cluster, while open; `total_s` for all its answers.

    Raises as `reached`.
    """
    if address:
        yield Api(address, login, total_s)
        return
    with reached(client, namespace, METRICS, "Prometheus", "--prometheus", login) as (found, way):
        yield Api(found, way, total_s)


@contextlib.contextmanager
def reached(
    client: Client,
    namespace: str,
    kinds: Sequence[Kind],
    what: str,
    option: str,
    login: Login = Login(),  # noqa: B008
) -> Iterator[tuple[str, Login]]:
    """Its address and how to speak to it, while open. `what` and `option` name it in messages.

    Unavailable when nothing in the cluster looks like it, or no way to it is allowed; the remedy names the right.
    """
    service, kind = _found(client, namespace, kinds, what, option)
    where, name = service.metadata.namespace, service.metadata.name
    port = next(one.port for one in service.spec.ports or () if one.port in kind.ports)
    if client.access.context == IN_CLUSTER:
        yield f"http://{name}.{where}.svc:{port}{kind.path}", login
    elif may(client, Permission("create", "pods", subresource="portforward", namespace=where)):
        pod, remote = _pod(client, service, port, option)
        with forwarded(client, where, pod, remote) as forward:
            yield f"http://127.0.0.1:{forward.port}{kind.path}", _named(login, where, name)
    elif may(client, Permission("get", "services", subresource="proxy", namespace=where)):
        found, through = by_proxy(client, where, name, port, login, kind.path)
        yield found, _named(through, where, name)
    else:
        raise Unavailable(
            f"a way to {what} {where}/{name}: neither create pods/portforward nor get services/proxy is allowed there",
            f"give its address ({option} URL), or kubectl apply -n {where} -f deploy/rbac/probe.yaml",
        )


def _named(login: Login, namespace: str, service: str) -> Login:
    return msgspec.structs.replace(login, service=f"service {namespace}/{service}")


def by_proxy(
    client: Client, namespace: str, service: str, port: int, login: Login, path: str = ""
) -> tuple[str, Login]:
    """The address of a service behind the API server, and the login with which that lets us through.

    The API server keeps the Authorization header for itself: a server that wants its own cannot be asked this way.
    """
    own = {name: value for name, value in login.headers.items() if name.lower() != "authorization"}
    access = client.access
    kube = [(name, value) for name, value in client.headers() if name not in {"User-Agent", "Accept"}]
    through = Login(
        headers={**own, **_joined(kube)},
        tls=client.tls,
        server_name=access.server_name,
        proxy=access.proxy,
    )
    return f"{access.server}/api/v1/namespaces/{namespace}/services/{service}:{port}/proxy{path}", through


def _joined(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Headers of one name in one line: several groups of an impersonated user are more than a mapping can say."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise Unavailable(
                "a way through the API server's proxy: it is asked as a user with several groups",
                "give the address of the server itself",
            )
        found[name] = value
    return found


def _found(client: Client, namespace: str, kinds: Sequence[Kind], what: str, option: str) -> tuple[Service, Kind]:
    """In the workload's namespace first, else anywhere; of several the kind named first."""
    for path in (f"/api/v1/namespaces/{namespace}/services", "/api/v1/services"):
        services = list(client.items(path, Service))
        for kind in kinds:
            for service in services:
                if is_one(service, kind):
                    return service, kind
    raise Unavailable(f"a {what}: no service of the cluster looks like one", f"give its address: {option} URL")


def is_one(service: Service, kind: Kind) -> bool:
    labels = service.metadata.labels or {}
    name = service.metadata.name
    told = f"{name} {labels.get('app.kubernetes.io/name', '')} {labels.get('app', '')}"
    ports = {port.port for port in service.spec.ports or ()}
    return (
        any(word in told for word in kind.words)
        and not any(word in told for word in _NOT_IT)
        and bool(ports & set(kind.ports))
    )


def _pod(client: Client, service: Service, port: int, option: str) -> tuple[str, int]:
    labels = ",".join(f"{key}={value}" for key, value in (service.spec.selector or {}).items())
    path = f"/api/v1/namespaces/{service.metadata.namespace}/pods"
    asked = tuple(one for one in service.spec.ports or () if one.port == port)
    only = msgspec.structs.replace(service, spec=msgspec.structs.replace(service.spec, ports=asked))
    for pod in client.items(path, Pod, labels=labels) if labels else ():
        condition = pod.condition("Ready")
        if condition is not None and condition.status == "True":
            remote = target_port(only, pod)
            if remote is not None:
                return pod.metadata.name, remote
    raise Unavailable(
        f"a ready pod of {service.metadata.namespace}/{service.metadata.name}",
        f"look why it is not ready, or give {option} URL",
    )
