from __future__ import annotations

from tests.collect.kube_objects import endpoint_slice, made
from unslow.collect.cluster_peers import addresses, named
from unslow.evidence.sockets import Peer, Sockets
from unslow.kube import core


def test_services_and_the_pods_behind_them_have_names() -> None:
    service = made(core.Service, metadata={"name": "db"}, spec={"clusterIP": "10.96.0.5"})
    headless = made(core.Service, metadata={"name": "cache"}, spec={"clusterIP": "None"})
    names = addresses(
        [service, headless], [endpoint_slice("cache", {"addresses": ["10.244.1.9"]}), endpoint_slice("none")]
    )
    peers = tuple(
        Peer(address=address, kind="unknown", name=address, open_mean=1.0)
        for address in ("10.96.0.5:5432", "10.244.1.9:6379", "192.0.2.1:443")
    )
    assert [peer.name for peer in named(seen(peers), names).peers] == ["db", "cache", "192.0.2.1:443"]


def test_a_protocol_that_nobody_knew_is_the_one_that_the_service_declares() -> None:
    def service(name: str, address: str, port: int, named: str) -> core.Service:
        ports = [{"name": named, "port": port}]
        return made(core.Service, metadata={"name": name}, spec={"clusterIP": address, "ports": ports})

    services = [service("bills", "10.96.0.6", 8001, "http"), service("queue", "10.96.0.7", 9092, "kafka")]
    peers = tuple(
        Peer(address=address, kind=kind, name=address, open_mean=1.0)
        for address, kind in (
            ("10.96.0.6:8001", "unknown"),
            ("10.96.0.6:9999", "unknown"),
            ("10.96.0.7:9092", "unknown"),
            ("10.96.0.6:8001", "redis"),
        )
    )
    found = named(seen(peers), addresses(services, []), services)
    assert [peer.kind for peer in found.peers] == ["http", "unknown", "unknown", "redis"]


def seen(peers: tuple[Peer, ...]) -> Sockets:
    return Sockets(
        readings=1,
        accept_queue_mean=0.0,
        accept_queue_max=0,
        accept_queue_limit=1,
        unread_mean=0.0,
        established_mean=0.0,
        requests_per_s=None,
        peers=peers,
    )
