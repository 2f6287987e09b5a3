"""Addresses that the pod was seen to call, by the names of their services."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from unslow.collect.cluster_ports import speaks_http
from unslow.evidence.sockets import Peer, Sockets
from unslow.kube import core, network

_OWNER_LABEL = "kubernetes.io/service-name"


def addresses(services: Iterable[core.Service], slices: Iterable[network.EndpointSlice]) -> dict[str, str]:
    """Address to service: of the services themselves, and of the pods behind them (headless ones are called so)."""
    found = {
        address: (piece.metadata.labels or {}).get(_OWNER_LABEL, "")
        for piece in slices
        for endpoint in piece.endpoints or ()
        for address in endpoint.addresses
    }
    found |= {one.spec.cluster_ip: one.metadata.name for one in services if one.spec.cluster_ip not in {"", "None"}}
    return {address: name for address, name in found.items() if name}


def named(sockets: Sockets, names: dict[str, str], services: Iterable[core.Service] = ()) -> Sockets:
    """What is no service keeps the name that it had; a protocol that nobody knew is the one that the service declares."""
    speaks = {
        (one.metadata.name, port.port)
        for one in services
        for port in one.spec.ports or ()
        if speaks_http(port.app_protocol or port.name, port.port, port.protocol)
    }
    return replace(sockets, peers=tuple(_named(peer, names, speaks) for peer in sockets.peers))


def _named(peer: Peer, names: dict[str, str], speaks: Collection[tuple[str, int]]) -> Peer:
    host, _, port = peer.address.rpartition(":")
    name = names.get(host.strip("[]"), peer.name)
    is_http = peer.kind == "unknown" and port.isdigit() and (name, int(port)) in speaks
    return replace(peer, name=name, kind="http" if is_http else peer.kind)
