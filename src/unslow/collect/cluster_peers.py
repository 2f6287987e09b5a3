"""Addresses that the pod was seen to call, by the names of their services."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

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


def named(sockets: Sockets, names: dict[str, str]) -> Sockets:
    """What is no service keeps the name that it had."""
    return replace(sockets, peers=tuple(_named(peer, names) for peer in sockets.peers))


def _named(peer: Peer, names: dict[str, str]) -> Peer:
    host = peer.address.rpartition(":")[0].strip("[]")
    return replace(peer, name=names.get(host, peer.name))
