"""From a URL to the application's processes on this machine, through any relays on the way."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import urlsplit

from unslow.collect import nginx, processes, relays
from unslow.collect.netlink import ESTABLISHED, LISTEN, Connection, Endpoint, SockDiag, address_text
from unslow.errors import CannotLook
from unslow.evidence.servers import Proxy

MAX_HOPS = 5
_APPLICATION = re.compile(r"^(?!unix:|fd:|localhost:)([A-Za-z_][\w.]*):[A-Za-z_][\w.()\"'=, ]*$")
_MODULE = re.compile(r"^[A-Za-z_]\w*(\.\w+)*$")
_TITLE = re.compile(r"gunicorn: \w+ \[([^\]]+)\]")
_NO_NAME = frozenset(
    (
        "wsgi",
        "app",
        "main",
        "application",
        "asgi",
        "server",
        "api",
        "src",
        "run",
        "manage",
        "create_app",
        "__main__",
    )
)
"""Module names that say nothing of the service."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket of the application."""

    inode: int
    port: int
    """0 for a Unix socket."""
    address: str
    """`host:port` or `unix:/path`."""
    family: int


@dataclass(frozen=True, slots=True)
class Found:
    """The application behind a URL, at one moment."""

    url: str
    path: str
    port: int
    """Of the URL; the application's own are in `listeners`."""
    master: int
    workers: tuple[int, ...]
    listeners: tuple[Listener, ...]
    proxies: tuple[Proxy, ...]
    """Outermost first."""
    service: str
    cwd: str
    python: str
    """The interpreter's executable."""

    @property
    def ports(self) -> tuple[int, ...]:
        """TCP ports on which the application itself listens; empty behind a Unix socket."""
        return tuple(sorted({listener.port for listener in self.listeners if listener.port}))

    def environ(self, name: str) -> str | None:
        """One variable of the master's environment, read now and not kept."""
        return processes.environment_value(self.master, name)

    def workers_now(self) -> tuple[int, ...]:
        """The worker processes of this moment: a server replaces them."""
        holders = [pid for pid in _descendants(self.master) if processes.is_python(pid)]
        inodes = {listener.inode for listener in self.listeners}
        alive = tuple(pid for pid in holders if inodes & (processes.socket_inodes(pid) or {}).keys())
        return alive or ((self.master,) if self.workers == (self.master,) else ())


def find(url: str) -> Found:
    """The application that answers `url`.

    Raises `CannotLook` when the host is not this machine, when nothing listens there, when its
    processes belong to someone else, or when no Python application is behind it.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host, path = parts.hostname or "127.0.0.1", parts.path or "/"
    addresses = local_addresses(host, port)
    with SockDiag() as diag:
        table = diag.tcp(1 << LISTEN)
        rows = listening(table, port, addresses)
        if not rows:
            raise CannotLook(
                f"nothing listens on {host}:{port}", "start the service, or correct the URL's port"
            )
        return _Search(diag, table, parts.geturl(), host, port, path).follow(rows)


def local_addresses(host: str, port: int) -> set[bytes]:
    """Packed addresses of `host` that belong to this machine; raises `CannotLook` when none does."""
    try:
        resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise CannotLook(f"cannot resolve {host}: {error.strerror}", "check the host in the URL") from error
    packed = {ipaddress.ip_address(str(each[4][0]).split("%")[0]).packed for each in resolved}
    mine = {address for address in packed if _is_local(address)}
    if not mine:
        raise CannotLook(
            f"{host} is not this machine: its processes cannot be seen from here",
            "run unslow on the machine that serves it, or inside its pod",
        )
    return mine


def _is_local(address: bytes) -> bool:
    """Only an own address can be bound."""
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((socket.inet_ntop(family, address), 0))
    except OSError:
        return False
    return True


def listening(table: Iterable[Connection], port: int, addresses: set[bytes]) -> list[Connection]:
    """Listeners on `port` for one of `addresses`; an exact address before a wildcard, as in the kernel."""
    here = [row for row in table if row.local[1] == port]
    exact = [row for row in here if row.local[0] in addresses]
    return exact or [row for row in here if not any(row.local[0])]


class _Search:
    """One walk from the URL's port to the application."""

    def __init__(
        self, diag: SockDiag, table: list[Connection], url: str, host: str, port: int, path: str
    ) -> None:
        self._diag, self._table = diag, table
        self._url, self._host, self._port, self._path = url, host, port, path
        self._proxies: list[Proxy] = []

    def follow(self, rows: list[Connection]) -> Found:
        listeners = tuple(_listener(row) for row in rows)
        for _ in range(MAX_HOPS):
            members = processes.holders(listener.inode for listener in listeners)
            if not members:
                raise _not_ours(rows, listeners)
            python = [pid for pid in members if processes.is_python(pid)]
            relay = bool(python) and self._mirror(python, listeners[0].port)
            if python and not relay:
                return self._found(python, listeners)
            listeners = self._next(members, listeners[0].port)
        raise CannotLook(
            f"more than {MAX_HOPS} relays behind {self._url}", "name the application's own port in the URL"
        )

    def _mirror(self, members: list[int], port: int) -> bool:
        """Whether these Python processes merely pass bytes on to another local listener."""
        local = {row.local[1] for row in self._table} - {port}
        rows = self._diag.tcp(1 << ESTABLISHED, destination_ports=sorted(local)[:64]) if local else ()
        onward = {row.remote[1] for row in rows}
        if not onward & local or len(members) > 1:
            return False  # relays written in Python are one process
        mirrored = relays.watch(self._diag, members, port).mirrors()
        return mirrored is not None and mirrored[1] in local

    def _next(self, members: tuple[int, ...], port: int) -> tuple[Listener, ...]:
        master, _ = processes.family(members)
        known = processes.stat(master)
        comm = known.comm if known else "?"
        route = nginx.route(master, port, self._host, self._path) if comm in {"nginx", "angie"} else None
        following = self._configured(route) if route else ()
        if not following:
            following = self._observed(members, port)
        self._proxies.append(
            Proxy(
                name=comm,
                pid=master,
                port=port,
                read_timeout_s=route.read_timeout_s if route else None,
                connect_timeout_s=route.connect_timeout_s if route else None,
                keepalive=route.keepalive if route else None,
            )
        )
        if not following:
            raise CannotLook(
                f"{comm} (pid {master}) listens on port {port}; no application behind it was found here",
                "name the application's own port in the URL, or repeat while requests flow",
            )
        return following

    def _configured(self, route: nginx.Route) -> tuple[Listener, ...]:
        found: list[Listener] = []
        for upstream in route.upstreams:
            if upstream.startswith("unix:"):
                path = upstream.removeprefix("unix:").rstrip(":")
                found += [
                    Listener(row.inode, 0, f"unix:{path}", socket.AF_UNIX)
                    for row in self._diag.unix(1 << LISTEN)
                    if row.path == path
                ]
                continue
            host, _, port = upstream.rpartition(":")
            try:
                addresses = local_addresses(host.strip("[]"), int(port))
            except CannotLook:
                continue  # another upstream of the group may be here
            found += [_listener(row) for row in listening(self._table, int(port), addresses)]
        return tuple(found)

    def _observed(self, members: tuple[int, ...], port: int) -> tuple[Listener, ...]:
        local = {row.local[1] for row in self._table} - {port}
        for url in ("", self._url):
            onward = relays.watch(self._diag, members, port, url)
            target: Endpoint | None = onward.mirrors() or onward.most_used(local)
            if target and target[1] in local:
                return tuple(_listener(row) for row in listening(self._table, target[1], {target[0]}))
        return ()

    def _found(self, members: list[int], listeners: tuple[Listener, ...]) -> Found:
        master, workers = processes.family(members)
        folder = processes.working_folder(master)
        return Found(
            url=self._url,
            path=self._path,
            port=self._port,
            master=master,
            workers=workers,
            listeners=listeners,
            proxies=tuple(self._proxies),
            service=service_name(processes.command_line(master), folder),
            cwd=folder,
            python=processes.executable(master).removesuffix(" (deleted)"),
        )


def _listener(row: Connection) -> Listener:
    family = socket.AF_INET if len(row.local[0]) == 4 else socket.AF_INET6
    return Listener(row.inode, row.local[1], address_text(row.local), family)


def _not_ours(rows: list[Connection], listeners: tuple[Listener, ...]) -> CannotLook:
    where = listeners[0].address if listeners else "the port"
    owners = sorted({row.uid for row in rows})
    return CannotLook(
        f"the process that listens on {where} cannot be seen (it runs as uid {', '.join(map(str, owners))})",
        "run unslow as that user or as root",
    )


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for each in processes.pids():
        known = processes.stat(each)
        if known:
            children.setdefault(known.parent, []).append(each)
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return sorted(found)


def service_name(command: tuple[str, ...], folder: str) -> str:
    """A short name: the application's module, else its script, else its folder."""
    titled = _TITLE.match(" ".join(command))
    for candidate in [titled[1]] if titled else _application(command):
        dotted = candidate.removesuffix(".py").partition(":")[0].replace("/", ".")
        named = [part for part in dotted.split(".") if part and part.lower() not in _NO_NAME]
        if named:
            return named[-1] if "/" in candidate else named[0]
    return PurePath(folder).name or "application"


def _application(command: tuple[str, ...]) -> Iterator[str]:
    """Arguments that name the application, surest first: `module:object`, a script, a module."""
    arguments = command[1:]
    yield from (each.removeprefix("--app=") for each in arguments if _APPLICATION.match(each))
    previous = ("", *arguments)
    for before, each in zip(previous, arguments, strict=False):
        if before in {"--app", "-A"} or (each.endswith(".py") and not before.startswith("-")):
            yield "/".join(PurePath(each).parts[-2:])
        elif each.startswith("--app="):
            yield each.removeprefix("--app=")
    if arguments and _MODULE.match(arguments[-1]) and not previous[-2].startswith("-"):
        yield arguments[-1]
