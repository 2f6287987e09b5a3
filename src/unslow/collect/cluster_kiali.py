"""Kiali's service graph of a namespace, asked through the API server's service proxy."""

from __future__ import annotations

import msgspec

from unslow.errors import Unavailable
from unslow.kube.client import Client

SERVICE = "/api/v1/namespaces/istio-system/services/http:kiali:20001/proxy/kiali/api/namespaces/graph"
OVER = "5m"
DEADLINE_S = 5.0
_MISSING = "Kiali's graph (service kiali in namespace istio-system)"


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """Requests from one service to another, as the mesh's proxies counted them."""

    caller: str
    callee: str
    requests_per_s: float | None = None
    error_ratio: float | None = None
    p95_s: float | None = None

    @property
    def words(self) -> str:
        told = []
        if self.requests_per_s is not None:
            told.append(f"{self.requests_per_s:.1f} requests/s")
        if self.p95_s is not None:
            told.append(f"p95 {self.p95_s * 1e3:.1f} ms")
        if self.error_ratio:
            told.append(f"{self.error_ratio:.1%} errors")
        return ", ".join(told)


class _Node(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    service: str = ""
    workload: str = ""
    app: str = ""


class _Traffic(msgspec.Struct, frozen=True):
    rates: dict[str, str] = {}


class _Edge(msgspec.Struct, frozen=True, rename="camel"):
    source: str
    target: str
    response_time: str = ""
    """Milliseconds."""
    traffic: _Traffic = _Traffic()


class _Boxed(msgspec.Struct, frozen=True):
    data: msgspec.Raw


class _Elements(msgspec.Struct, frozen=True):
    nodes: tuple[_Boxed, ...] | None = None
    edges: tuple[_Boxed, ...] | None = None


class _Graph(msgspec.Struct, frozen=True):
    elements: _Elements = _Elements()


def graph(client: Client, namespace: str) -> tuple[Edge, ...]:
    """Arrows between services over the last five minutes. Raises `Unavailable` when Kiali does not answer or refuses."""
    parameters = {
        "namespaces": namespace, "duration": OVER, "graphType": "service", "responseTime": "95",
    }  # fmt: skip
    try:
        text = client.text(
            SERVICE, parameters, asked="get services/proxy in namespace istio-system", timeout_s=DEADLINE_S
        )
    except Unavailable as error:
        remedy = (
            "install Kiali or allow get on services/proxy in namespace istio-system; with a login, use its own page"
        )
        raise Unavailable(f"{_MISSING}: {error.missing}", remedy) from error
    return edges(text)


def edges(text: str) -> tuple[Edge, ...]:
    """From the answer's text; arrows of which one end has no name are left out. Raises `Unavailable`."""
    try:
        found = msgspec.json.decode(text, type=_Graph).elements
        nodes = [msgspec.json.decode(one.data, type=_Node) for one in found.nodes or ()]
        arrows = [msgspec.json.decode(one.data, type=_Edge) for one in found.edges or ()]
    except msgspec.DecodeError as error:
        raise Unavailable(f"{_MISSING}: its answer is no graph", "see whether it asks for a login") from error
    names = {node.id: node.service or node.app or node.workload for node in nodes}
    made = [_edge(names.get(one.source, ""), names.get(one.target, ""), one) for one in arrows]
    return tuple(sorted((one for one in made if one.caller and one.callee), key=lambda one: (one.caller, one.callee)))


def _edge(caller: str, callee: str, one: _Edge) -> Edge:
    rates = {name: number for name, text in one.traffic.rates.items() if (number := _number(text)) is not None}
    percent = [value for name, value in rates.items() if name.endswith("PercentErr")]
    p95_ms = _number(one.response_time)
    return Edge(
        caller=caller,
        callee=callee,
        requests_per_s=next((rates[name] for name in ("http", "grpc") if name in rates), None),
        error_ratio=percent[0] / 100.0 if percent else None,
        p95_s=None if p95_ms is None else p95_ms / 1e3,
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0.0 <= value < float("inf") else None
