"""The application server and the proxy before it, as configured and as running."""

from __future__ import annotations

import msgspec


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """nginx, haproxy, envoy ... or the command name."""
    pid: int
    port: int
    read_timeout_s: float | None = None
    connect_timeout_s: float | None = None
    keepalive: bool | None = None
    """Whether connections to the application are kept open."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """gunicorn, werkzeug, waitress, uwsgi, ... or `python`."""
    version: str = ""
    worker_class: str = ""
    """sync, gthread, gevent, ...; empty when unknown."""
    workers: int
    threads: int
    """Request threads of one worker."""
    timeout_s: float | None = None
    keepalive_s: float | None = None
    backlog: int | None = None
    port: int
    pids: tuple[int, ...]
    """Worker processes."""
    master_pid: int
    started_s: float
    """When the master started, Unix seconds."""
    worker_started_s: tuple[float, ...] = ()
    python: str = ""
    cores: int
    """Cores of the machine."""
    proxies: tuple[Proxy, ...] = ()
    """Relays between the URL and the application, outermost first."""
    multiprocess_metrics: bool | None = None
    """Whether the Prometheus client is in multiprocess mode; None when the application does not use it."""
    restarts: int = 0
    """Workers replaced during the window."""

    @property
    def slots(self) -> int:
        """Requests that can be served at the same time."""
        return self.workers * self.threads
