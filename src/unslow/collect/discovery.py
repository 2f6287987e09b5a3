"""From a URL to the application's processes on this machine, through any relays on the way."""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from urllib.parse import urlsplit

from unslow.collect import nginx, processes, relays
from unslow.collect.netlink import ESTABLISHED, LISTEN, Connection, Endpoint, SockDiag, address_text
from unslow.errors import CannotLook
from unslow.evidence.servers import Proxy

WORKERS_EVERY_S = 0.5
BOOT_S = 3.0
"""Gunicorn's master listens before its workers are there."""
MAX_HOPS = 5
MAX_PORTS = 64
"""Comparisons in one socket filter."""
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
        inodes = {listener.inode for listener in self.listeners}
        alive = tuple(
            pid
            for pid in processes.children(self.master)
            if inodes & (processes.socket_inodes(pid) or {}).keys() and processes.is_python(pid)
        )
        return alive or ((self.master,) if self.workers == (self.master,) else ())


class Hidden(CannotLook):
    """The URL is served on this machine by processes that belong to someone else; `found` has no process."""

    def __init__(self, listeners: tuple[Listener, ...], owners: Iterable[int]) -> None:
        where = listeners[0].address if listeners else "the port"
        uids = ", ".join(map(str, sorted(set(owners))))
        super().__init__(
            f"the process that listens on {where} cannot be seen (it runs as uid {uids})",
            "run unslow as that user or as root",
        )
        self.listeners = listeners
        self.found: Found | None = None


class Workers:
    """The worker processes as they come and go, for readers that follow them."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._due_s = time.monotonic() + WORKERS_EVERY_S
        self.pids = found.workers

    def changed(self) -> bool:
        """Whether `pids` are others than at the last call; looks at most twice a second."""
        if time.monotonic() < self._due_s:
            return False
        self._due_s = time.monotonic() + WORKERS_EVERY_S
        now = self._found.workers_now()
        if not now or now == self.pids:
            return False
        self.pids = now
        return True


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
            raise CannotLook(f"nothing listens on {host}:{port}", "start the service, or correct the URL's port")
        url = parts.geturl()
        walk = Walk(diag, table, url, host, path)
        try:
            end = walk.follow(rows)
        except Hidden as hidden:
            hidden.found = _from_outside(hidden.listeners, walk.proxies, url, port, path)
            raise
    python = tuple(pid for pid in end.members if processes.is_python(pid))
    if not python:
        raise CannotLook(
            f"{end.name} listens on {end.listeners[0].address}; no Python application was found behind it",
            "name the application's own port in the URL, or repeat while requests flow",
        )
    found = application(python, end.listeners, walk.proxies, url, port, path)
    return _booted(found) if _boots_workers(found) else found


def _boots_workers(found: Found) -> bool:
    """A Gunicorn master alone: it never serves itself."""
    return found.workers == (found.master,) and "gunicorn" in " ".join(processes.command_line(found.master)[:3])


def _booted(found: Found) -> Found:
    """The same once its workers have started; as it is when they do not."""
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline:
        now = found.workers_now()
        if now != (found.master,):
            return replace(found, workers=now)
        time.sleep(0.1)
    return found


def local_addresses(host: str, port: int) -> set[bytes]:
    """Packed addresses of `host` that belong to this machine; raises `CannotLook` when none does."""
    try:
        resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise CannotLook(f"cannot resolve {host}: {error.strerror}", "check the host in the URL") from error
    packed = {ipaddress.ip_address(str(each[4][0]).split("%")[0]).packed for each in resolved}
    mine = {address for address in packed if is_local(address)}
    if not mine:
        raise CannotLook(
            f"{host} is not this machine: its processes cannot be seen from here",
            "run unslow on the machine that serves it, or inside its pod",
        )
    return mine


def is_local(address: bytes) -> bool:
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


@dataclass(frozen=True, slots=True)
class End:
    """Where a walk along relays ended."""

    members: tuple[int, ...]
    """Processes that hold the listening socket."""
    listeners: tuple[Listener, ...]
    name: str
    """Command name."""


class Walk:
    """One walk from a listening port along relays, which it notes in `proxies`, outermost first."""

    def __init__(self, diag: SockDiag, table: list[Connection], url: str, host: str, path: str) -> None:
        """`table`: all listeners; without `url` no request is sent, and only sure relays are followed."""
        self._diag, self._table = diag, table
        self._url, self._host, self._path = url, host, path
        self.proxies: list[Proxy] = []

    def follow(self, rows: list[Connection]) -> End:
        """The last server. Raises `Hidden` when its processes belong to someone else."""
        listeners = tuple(_listener(row) for row in rows)
        while True:
            members = processes.holders(listener.inode for listener in listeners)
            if not members:
                raise Hidden(listeners, (row.uid for row in rows))
            master, _ = processes.family(members)
            known = processes.stat(master)
            end = End(members, listeners, known.comm if known else "")
            if len(self.proxies) == MAX_HOPS or relays.end_kind(end.name):
                return end
            python = any(processes.is_python(pid) for pid in members)
            following = self._mirrored(end) if python else self._next(end, master)
            if not following:
                return end
            listeners = following

    def _mirrored(self, end: End) -> tuple[Listener, ...]:
        """What lies behind a Python process that merely passes bytes on; nothing behind an application."""
        if len(end.members) > 1 or (self._url and not self._connects_onward(end)):
            return ()  # a relay written in Python is one process
        target = relays.watch(self._diag, end.members, end.listeners[0].port).mirrors()
        return self._passed(end, target, None)

    def _connects_onward(self, end: End) -> bool:
        ports = sorted({row.local[1] for row in self._table} - {end.listeners[0].port})[:MAX_PORTS]
        rows = self._diag.tcp(1 << ESTABLISHED, destination_ports=ports) if ports else []
        held = (processes.socket_inodes(end.members[0]) or {}).keys()
        return any(row.inode in held for row in rows)

    def _next(self, end: End, master: int) -> tuple[Listener, ...]:
        port = end.listeners[0].port
        route = nginx.route(master, port, self._host, self._path) if end.name in {"nginx", "angie"} else None
        configured = self._configured(route) if route else ()
        if configured:
            return self._noted(end, configured, route)
        local = {row.local[1] for row in self._table} - {port}
        for url in ("", self._url) if self._url else ("",):
            onward = relays.watch(self._diag, end.members, port, url)
            target = onward.mirrors()
            if target is None and (self._url or end.name in relays.HTTP_RELAYS):
                target = onward.most_used(local)
            if target:
                return self._passed(end, target, route)
        return ()

    def _passed(self, end: End, target: Endpoint | None, route: nginx.Route | None) -> tuple[Listener, ...]:
        rows = listening(self._table, target[1], {target[0]}) if target else []
        return self._noted(end, tuple(_listener(row) for row in rows), route)

    def _noted(self, end: End, following: tuple[Listener, ...], route: nginx.Route | None) -> tuple[Listener, ...]:
        if following:
            self.proxies.append(
                Proxy(
                    name=end.name,
                    pid=processes.family(end.members)[0],
                    port=end.listeners[0].port,
                    read_timeout_s=route.read_timeout_s if route else None,
                    connect_timeout_s=route.connect_timeout_s if route else None,
                    keepalive=route.keepalive if route else None,
                )
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


def _from_outside(listeners: tuple[Listener, ...], proxies: Iterable[Proxy], url: str, port: int, path: str) -> Found:
    return Found(
        url=url,
        path=path,
        port=port,
        master=0,
        workers=(),
        listeners=listeners,
        proxies=tuple(proxies),
        service=f"port {listeners[0].port or port}",
        cwd="",
        python="",
    )


def application(
    members: Iterable[int],
    listeners: tuple[Listener, ...],
    proxies: Iterable[Proxy],
    url: str,
    port: int,
    path: str,
) -> Found:
    """What is known of the Python processes `members` that hold `listeners`."""
    master, workers = processes.family(members)
    folder = processes.working_folder(master)
    return Found(
        url=url,
        path=path,
        port=port,
        master=master,
        workers=workers,
        listeners=listeners,
        proxies=tuple(proxies),
        service=service_name(processes.command_line(master), folder),
        cwd=folder,
        python=processes.executable(master).removesuffix(" (deleted)"),
    )


def _listener(row: Connection) -> Listener:
    family = socket.AF_INET if len(row.local[0]) == 4 else socket.AF_INET6
    return Listener(row.inode, row.local[1], address_text(row.local), family)


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
    script = any(each.endswith(".py") for each in arguments)
    if arguments and not script and _MODULE.match(arguments[-1]) and not previous[-2].startswith("-"):
        yield arguments[-1]
