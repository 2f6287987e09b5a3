"""Which hosts may be put under load: this machine and private networks, and what the user names."""

from __future__ import annotations

import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from unslow.errors import BadUsage, CannotLook
from unslow.http_request import HttpRequest

PRIVATE = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "::1/128",
        "fc00::/7",
    )
)
"""Link-local addresses are not among them: cloud machines keep their credentials there."""
PROBE_S = 3.0


@dataclass(frozen=True, slots=True)
class Address:
    """Looked up once and then kept, so that a name cannot change its meaning during the test."""

    family: socket.AddressFamily
    sockaddr: tuple[str, int] | tuple[str, int, int, int]


def resolve(request: HttpRequest, allow_hosts: Collection[str]) -> Address:
    """The address to load: the first one that accepts a connection.

    Raises `BadUsage` when an address is outside and not allowed by name, `CannotLook` when nobody listens.
    """
    if any("*" in host for host in allow_hosts):
        raise BadUsage("an allowed host is one host, not a pattern", "name each host with its own --allow-host")
    try:
        found = socket.getaddrinfo(request.host, request.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise CannotLook(f"no address for {request.host}: {error}", "see whether the name is right") from error
    if request.host.lower() not in {host.lower().strip("[]") for host in allow_hosts}:
        for *_, sockaddr in found:
            if not is_private(str(sockaddr[0])):
                raise BadUsage(
                    f"{request.host} ({sockaddr[0]}) is neither this machine nor a private network",
                    f"if you may put it under load: --allow-host {request.host}",
                )
    return _first_open(request, found)


def is_private(address: str) -> bool:
    """Whether the address is on this machine or in a network that is not the internet's."""
    known: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(known, IPv6Address) and known.ipv4_mapped:
        known = known.ipv4_mapped
    return any(known.version == network.version and known in network for network in PRIVATE)


_Sockaddr = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
_Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, _Sockaddr]


def _first_open(request: HttpRequest, found: Sequence[_Found]) -> Address:
    refusal = ""
    for family, kind, protocol, _, sockaddr in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.settimeout(PROBE_S)
            try:
                probe.connect(sockaddr)
            except OSError as error:
                refusal = str(error)
            else:
                return Address(family, sockaddr)  # type: ignore[arg-type]
    raise CannotLook(f"nobody answers at {request.host} port {request.port}: {refusal}", "start the service first")
