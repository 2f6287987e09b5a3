"""Who answers at an address that the application calls: found in the background, followed through relays."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from typing import NamedTuple

from unslow.collect import discovery, processes, relays, servers
from unslow.collect.discovery import Found, Walk
from unslow.collect.netlink import LISTEN, Endpoint, SockDiag, address_text
from unslow.collect.request_threads import RequestThreads
from unslow.collect.threads import main_thread_serves
from unslow.errors import CannotLook, Unavailable

KIND_OF_PORT = {
    5432: "postgresql",
    6432: "postgresql",
    6379: "redis",
    6380: "redis",
    53: "dns",
    80: "http",
    443: "http",
    8000: "http",
    8080: "http",
    8443: "http",
}
"""For servers that cannot be seen: what usually listens on a port."""


class PeerServer(NamedTuple):
    """The last server behind an address."""

    kind: str
    name: str
    hops: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    """Where the last server listens; empty when it is not on this machine."""
    threads: RequestThreads | None = None
    """Its request threads, when it is a Python web server that may be read."""


def unseen(endpoint: Endpoint) -> PeerServer:
    """What the address alone tells."""
    return PeerServer(KIND_OF_PORT.get(endpoint[1], "unknown"), address_text(endpoint))


def resolve(diag: SockDiag, endpoint: Endpoint) -> PeerServer:
    """Look the server up; takes a second where a relay has to be watched."""
    address, port = endpoint
    table = diag.tcp(1 << LISTEN)
    rows = discovery.listening(table, port, {address}) if discovery.is_local(address) else []
    if not rows:
        return unseen(endpoint)
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    walk = Walk(diag, table, "", socket.inet_ntop(family, address), "/")
    try:
        end = walk.follow(rows)
    except CannotLook:
        return unseen(endpoint)
    hops = tuple(proxy.name for proxy in walk.proxies)
    ports = tuple(sorted({listener.port for listener in end.listeners if listener.port}))
    kind = relays.end_kind(end.name)
    if kind is not None:
        return PeerServer(kind, end.name, hops, ports)
    python = [pid for pid in end.members if processes.is_python(pid)]
    if not python:
        return PeerServer("http", end.name, hops, ports)
    found = discovery.application(python, end.listeners, walk.proxies, "", port, "/")
    return PeerServer("http", found.service, hops, ports, _request_threads(found))


def _request_threads(found: Found) -> RequestThreads:
    known = servers.server(found)
    serves = main_thread_serves(known.worker_class, known.threads)
    limit = known.threads if known.worker_class in {"gthread", "waitress"} else None
    return RequestThreads(known.pids, main_serves=serves, per_process=limit)


class Resolver:
    """Resolves addresses in a thread of its own, so that readings go on meanwhile."""

    def __init__(self, done: Callable[[Endpoint, PeerServer], None]) -> None:
        """`done` is called in that thread."""
        self._done = done
        self._asked: queue.SimpleQueue[Endpoint | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="unslow-peers", daemon=True)
        self._thread.start()

    def ask(self, endpoint: Endpoint) -> None:
        self._asked.put(endpoint)

    def close(self) -> None:
        self._asked.put(None)
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            diag = SockDiag()
        except Unavailable:
            return
        with diag:
            while (endpoint := self._asked.get()) is not None:
                try:
                    self._done(endpoint, resolve(diag, endpoint))
                except (Unavailable, OSError, ValueError):
                    self._done(endpoint, unseen(endpoint))  # it ended while we looked
