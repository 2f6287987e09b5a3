"""The target's database and cache: found in its plain settings, reached by forwarding a port of their pod.

What is only in a Secret is not read: then the user gives the login. A database outside the cluster is
reached directly when the user gave its address.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from unslow.collect import dsn
from unslow.collect.attempts import Attempts
from unslow.collect.cluster_services import target_port
from unslow.collect.dsn import GIVEN, Candidate, Given
from unslow.collect.postgres import PostgresReader
from unslow.collect.redis import RedisReader
from unslow.errors import Unavailable
from unslow.kube import core
from unslow.kube.client import Client
from unslow.kube.errors import ApiError
from unslow.kube.port_forward import forwarded

_EVERY_S = 0.04
_RUNG = "port-forward"
_REMEDIES = {
    "postgresql": "give unslow a login: --postgres postgresql://USER@SERVICE/DATABASE",
    "redis": "give unslow the cache's address: --redis redis://SERVICE:6379/0",
}


def ways_in(containers: Iterable[core.Container], given: Given) -> tuple[Candidate, ...]:
    """The user's own words first, then plain settings of the containers. Raises `BadUsage` for unreadable ones."""
    found = list(dsn.candidates((), (), given))
    kinds = {one.kind for one in found}
    for container in containers:
        settings = {variable.name: variable.value for variable in container.env or () if variable.value}
        named = dsn.from_environment(settings, f"settings of container {container.name}")
        found += [one for one in named if one.kind not in kinds]
    return tuple(found)


class Databases:
    """Reads the counters of the database and the cache from `begin` to `end`, in a thread of its own."""

    def __init__(self, client: Client, namespace: str, found: tuple[Candidate, ...], attempts: Attempts) -> None:
        self._client = client
        self._namespace = namespace
        self._found = found
        self._attempts = attempts
        self._closing = ExitStack()
        self._begun, self._ended = threading.Event(), threading.Event()
        self._postgres: PostgresReader | None = None
        self._redis: RedisReader | None = None
        self._thread = threading.Thread(target=self._run, name="databases", daemon=True)

    def open(self) -> None:
        """Logs in; what does not work is noted under the section's name."""
        self._postgres = self._attempts.run(
            "queries", _RUNG, lambda: PostgresReader(self._reached("postgresql")), doing="logging in to the database"
        )
        if self._postgres:
            self._closing.callback(self._postgres.close)
        self._redis = self._attempts.run("cache", _RUNG, lambda: RedisReader(self._reached("redis")))
        if self._redis:
            self._closing.callback(self._redis.close)
        if self._postgres or self._redis:
            self._thread.start()

    @property
    def reading(self) -> bool:
        return self._begun.is_set()

    def begin(self) -> None:
        self._begun.set()

    def end(self) -> None:
        self._ended.set()

    def sections(self) -> dict[str, object]:
        """Ends the reading and gives what it found."""
        self.begin()
        self.end()
        made: dict[str, object] = {}
        if self._thread.is_alive():
            self._thread.join(5.0)
        if self._postgres:
            made["queries"] = self._attempts.run("queries", _RUNG, self._postgres.stop, doing="reading query plans")
        if self._redis:
            made["cache"] = self._attempts.run("cache", _RUNG, self._redis.stop)
        return {name: section for name, section in made.items() if section is not None}

    def close(self) -> None:
        """Always call it: forwarded ports stay open until then."""
        self.begin()
        self.end()
        self._closing.close()

    def _run(self) -> None:
        self._begun.wait()
        if self._postgres:
            self._postgres.start()
        if self._redis:
            self._redis.start()
        while not self._ended.wait(_EVERY_S):
            if self._postgres:
                self._postgres.sample()

    def _reached(self, kind: str) -> list[Candidate]:
        """Candidates with addresses that lead there from here. Raises `Unavailable` when there is none."""
        reached, reasons = [], []
        for one in self._found:
            if one.kind != kind:
                continue
            try:
                reached.append(self._through(one))
            except Unavailable as error:
                reasons.append(error.missing)
        if not reached:
            what = "a PostgreSQL login" if kind == "postgresql" else "a cache"
            raise Unavailable("; ".join([what, *reasons[:2]]), _REMEDIES[kind])
        return reached

    def _through(self, one: Candidate) -> Candidate:
        host, _, port = one.address.rpartition(":")
        if not host or host in dsn.LOOPBACK:
            return one
        service = self._service(host)
        if service is None:
            if one.source == GIVEN:
                return one
            raise Unavailable(f"{one.address} is no service of this cluster", "")
        pod, number = self._behind(service, int(port))
        forward = self._closing.enter_context(
            forwarded(self._client, pod.metadata.namespace, pod.metadata.name, number)
        )
        return rewritten(one, forward.port)

    def _service(self, host: str) -> core.Service | None:
        """By its name, or its name and namespace; None when it is none."""
        labels = host.split(".")
        if len(labels) > 2 and labels[2] != "svc":
            return None
        namespace = labels[1] if len(labels) > 1 else self._namespace
        path = f"/api/v1/namespaces/{namespace}/services/{labels[0]}"
        try:
            return self._client.get(path, core.Service, asked=f"get services in namespace {namespace}")
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def _behind(self, service: core.Service, port: int) -> tuple[core.Pod, int]:
        namespace, selector = service.metadata.namespace, service.spec.selector or {}
        labels = ",".join(f"{key}={value}" for key, value in selector.items())
        path = f"/api/v1/namespaces/{namespace}/pods"
        pods = list(self._client.items(path, core.Pod, labels=labels, page=20)) if labels else []
        for pod in pods:
            ready = pod.condition("Ready")
            if ready and ready.status == "True":
                return pod, target_port(only(service, port), pod) or port
        raise Unavailable(f"a ready pod of service {service.metadata.name}", "")


def only(service: core.Service, port: int) -> core.Service:
    """The service with that port first."""
    ports = sorted(service.spec.ports or (), key=lambda one: one.port != port)
    return core.Service(metadata=service.metadata, spec=core.ServiceSpec(ports=tuple(ports)))


def rewritten(one: Candidate, port: int) -> Candidate:
    """The same login at a port of this machine."""
    if one.kind == "postgresql":
        from psycopg.conninfo import make_conninfo

        return replace(one, dsn=make_conninfo(one.dsn, host="127.0.0.1", port=str(port)))
    parts = urlsplit(one.dsn)
    login, at, _ = parts.netloc.rpartition("@")
    return replace(one, dsn=urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{port}")))


def phases(databases: Databases, shown: Callable[[str], None]) -> Callable[[str], None]:
    """Follows the progress of a look elsewhere: the counters are read while that one measures."""

    def progress(text: str) -> None:
        if text.startswith("measuring"):
            databases.begin()
        elif databases.reading:
            databases.end()
        shown(text)

    return progress
