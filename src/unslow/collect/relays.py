"""Processes that pass connections on: found by name, or because the same bytes go out that came in."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from unslow.collect import processes
from unslow.collect.netlink import ALIVE, Connection, Endpoint, SockDiag

HTTP_RELAYS = frozenset(
    (
        "nginx",
        "angie",
        "haproxy",
        "envoy",
        "traefik",
        "caddy",
        "httpd",
        "apache2",
        "varnishd",
        "lighttpd",
        "squid",
    )
)
"""Command names of servers that mostly relay, and change the bytes on the way."""
DATABASES = {
    "postgres": "postgresql",
    "postmaster": "postgresql",
    "pgbouncer": "postgresql",
    "odyssey": "postgresql",
    "redis-server": "redis",
    "valkey-server": "redis",
    "keydb-server": "redis",
    "dragonfly": "redis",
    "mysqld": "unknown",
    "mariadbd": "unknown",
    "mongod": "unknown",
    "memcached": "unknown",
    "beam.smp": "unknown",
}
"""Command names of servers that are the end of a chain, with the kind of peer that they are."""
WATCH_S = 1.0
WATCH_HZ = 25.0
MATCHED_RATIO = 0.5
"""A relay passes the same number of bytes on; half of the pairs may be caught in between."""


def end_kind(comm: str) -> str | None:
    """Kind of peer for a database's command name; None when it is not one."""
    return DATABASES.get(comm) or next((kind for name, kind in DATABASES.items() if comm.startswith(name)), None)


class Onward:
    """Counts where processes connect to, and how far these connections mirror the incoming ones."""

    def __init__(self, pids: Iterable[int], port: int) -> None:
        self._pids = tuple(pids)
        self._port = port
        self._mirrored: dict[Endpoint, set[Endpoint]] = {}
        self._seen: dict[Endpoint, set[Endpoint]] = {}

    def sample(self, rows: list[Connection]) -> None:
        """`rows`: all living TCP connections, with `TcpInfo`, of this machine."""
        inodes: set[int] = set()
        for pid in self._pids:
            inodes.update((processes.socket_inodes(pid) or {}).keys())
        ours = [row for row in rows if row.inode in inodes and row.info]
        arrived = {row.info.bytes_received for row in ours if row.local[1] == self._port and row.info}
        for row in ours:
            if row.local[1] == self._port or row.info is None:
                continue
            self._seen.setdefault(row.remote, set()).add(row.local)
            if row.info.bytes_sent and row.info.bytes_sent in arrived:
                self._mirrored.setdefault(row.remote, set()).add(row.local)

    def mirrors(self) -> Endpoint | None:
        """The address to which what arrives is passed on byte for byte."""
        best = max(self._mirrored, key=lambda each: len(self._mirrored[each]), default=None)
        if best is None or len(self._mirrored[best]) < MATCHED_RATIO * len(self._seen[best]):
            return None
        return best

    def most_used(self, listening: set[int]) -> Endpoint | None:
        """The address with one of the `listening` ports that got most connections."""
        local = {each: len(seen) for each, seen in self._seen.items() if each[1] in listening}
        return max(local, key=lambda each: local[each], default=None)


def watch(diag: SockDiag, pids: Iterable[int], port: int, url: str = "") -> Onward:
    """Observe for a second; with `url`, send one GET there so that an idle relay shows its way."""
    onward = Onward(pids, port)
    if url:
        threading.Thread(target=_get, args=(url,), daemon=True).start()
    deadline = time.monotonic() + WATCH_S
    while time.monotonic() < deadline:
        onward.sample(diag.tcp(ALIVE, info=True))
        time.sleep(1 / WATCH_HZ)
    return onward


def _get(url: str) -> None:
    """One request whose answer nobody needs."""
    parts = urlsplit(url)
    if parts.scheme != "http":
        return
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=WATCH_S)
    try:
        connection.request("GET", parts.path or "/")
        connection.getresponse().read(1)
    except (OSError, http.client.HTTPException):
        return
    finally:
        connection.close()
