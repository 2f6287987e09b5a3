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
    sockets = Sockets(
        readings=1,
        accept_queue_mean=0.0,
        accept_queue_max=0,
        accept_queue_limit=1,
        unread_mean=0.0,
        established_mean=0.0,
        requests_per_s=None,
        peers=peers,
    )
    assert [peer.name for peer in named(sockets, names).peers] == ["db", "cache", "192.0.2.1:443"]
