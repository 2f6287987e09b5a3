"""How the application reaches its database and its cache, found without configuration.

Looks where the application itself looks: its environment, its command line, a few files of its
folder. Passwords stay in memory; no password is ever guessed.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from unslow.collect import processes
from unslow.collect.dsn_files import Setting, settings_in
from unslow.errors import BadUsage

Kind = Literal["postgresql", "redis"]
LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost", ""))
DEFAULT_PORT: Mapping[str, str] = {"postgresql": "5432", "redis": "6379"}
_SCHEMES: Mapping[str, Kind] = {
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "redis": "redis",
    "rediss": "redis",
    "valkey": "redis",
    "valkeys": "redis",
    "unix": "redis",
    "redis+socket": "redis",
}
GIVEN = "given by the user"
_OPTIONS: Mapping[Kind, tuple[str, str]] = {
    "postgresql": ("--postgres", "postgresql://USER@HOST/DATABASE"),
    "redis": ("--redis", "redis://HOST:PORT/0"),
}
_KEPT_OPTIONS = frozenset(
    ("host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey", "options")
)
"""What of a connection string is passed on; drivers and poolers add words that libpq refuses."""
_PARTS: Mapping[str, tuple[str, ...]] = {
    "host": ("HOST", "HOSTNAME", "SERVER", "ADDR"),
    "port": ("PORT",),
    "user": ("USER", "USERNAME"),
    "password": ("PASSWORD", "PASS", "PASSWD"),
    "dbname": ("DB", "DATABASE", "NAME", "DBNAME", "DB_NAME"),
}
_PREFIXES: Mapping[str, Kind] = {
    "PG": "postgresql",
    "POSTGRES_": "postgresql",
    "POSTGRESQL_": "postgresql",
    "PG_": "postgresql",
    "DB_": "postgresql",
    "DATABASE_": "postgresql",
    "REDIS_": "redis",
    "VALKEY_": "redis",
    "CACHE_REDIS_": "redis",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to log in, to be tried."""

    kind: Kind
    dsn: str = field(repr=False)
    """A libpq connection string or a redis URL; holds the password."""
    source: str
    """Where it was found; never a secret."""
    address: str
    """`host:port`, or the path of a Unix socket."""
    database_known: bool = True
    """False: the application's database is yet to be found."""


@dataclass(frozen=True, slots=True)
class Given:
    """Connection strings that the user wrote; these win."""

    postgres: str | None = field(default=None, repr=False)
    redis: str | None = field(default=None, repr=False)


def candidates(
    pids: Iterable[int],
    observed: Sequence[tuple[str, str]] = (),
    given: Given | None = None,
) -> tuple[Candidate, ...]:
    """Ways to log in, the most promising first.

    `pids`: processes of the application. `observed`: (kind, address) of the servers that it was seen
    connected to, as "127.0.0.1:5432" or a socket's path. A kind that the user gave has no other candidate.
    Raises `BadUsage` when what the user gave cannot be read.
    """
    given = given or Given()
    texts: Mapping[Kind, str | None] = {"postgresql": given.postgres, "redis": given.redis}
    named = {kind: _given(kind, text) for kind, text in texts.items() if text}
    found = list(named.values())
    for pid in pids:
        found += _of_process(pid)
    addresses = [(kind, address) for kind, address in observed if kind in DEFAULT_PORT]
    seen = {address for _, address in addresses}
    found.sort(key=lambda one: (one.source != GIVEN, bool(seen) and not _among(one, seen)))
    found += [last for kind, address in addresses for last in _without_password(kind, address)]
    unique = {(one.kind, one.dsn): one for one in reversed(found)}
    ordered = sorted(unique.values(), key=found.index)
    return tuple(one for one in ordered if one.kind not in named or one.source == GIVEN)


def from_environment(environment: Mapping[str, str], source: str) -> list[Candidate]:
    """Candidates in variables: whole URLs first, then host, port, user and so on apart."""
    found = []
    for name in sorted(environment):
        candidate = parse(environment[name], f"{name} in the {source}")
        if candidate:
            found.append(candidate)
    for prefix, kind in _PREFIXES.items():
        parts = {
            part: environment[prefix + word]
            for part, words in _PARTS.items()
            for word in reversed(words)
            if environment.get(prefix + word)
        }
        if parts.keys() <= {"password"} or _is_of_another_product(environment, prefix):
            continue
        candidate = _of_parts(kind, parts, f"{prefix}* in the {source}")
        if candidate:
            found.append(candidate)
    return found


def _is_of_another_product(environment: Mapping[str, str], prefix: str) -> bool:
    """DB_ENGINE=mysql says that DB_HOST is none of ours."""
    said = " ".join(environment.get(prefix + word, "") for word in ("ENGINE", "DRIVER", "DIALECT", "TYPE"))
    return any(product in said.lower() for product in ("mysql", "maria", "sqlite", "oracle", "mssql", "mongo"))


def parse(text: str, source: str) -> Candidate | None:
    """A URL or libpq connection string as a candidate; None when it is neither, or has holes to fill in."""
    text = text.strip()
    if not text or len(text) > 2000 or "${" in text or "%(" in text:
        return None
    scheme, separator, _ = text.partition("://")
    kind = _SCHEMES.get(scheme.lower()) or _SCHEMES.get(scheme.lower().partition("+")[0])
    if not separator:
        return _of_conninfo(text, source)
    if kind is None or "{" in text or "<" in text:
        return None
    try:
        return _of_postgres_url(text, source) if kind == "postgresql" else _of_redis_url(text, source)
    except ValueError:
        return None  # a port that is no number, brackets that do not match: not for us


def _given(kind: Kind, text: str) -> Candidate:
    candidate = parse(text, GIVEN)
    if candidate is None and kind == "redis" and "://" not in text:
        candidate = parse(f"redis://{text}", GIVEN)
    if candidate is None or candidate.kind != kind:
        option, example = _OPTIONS[kind]
        raise BadUsage(f"{option} is not a connection string for {kind}", f"write {example}")
    return candidate


def _of_process(pid: int) -> list[Candidate]:
    entries = (processes.read(processes.PROC / str(pid) / "environ") or "").split("\0")
    environment = {name: value for name, equals, value in (entry.partition("=") for entry in entries) if equals}
    found = from_environment(environment, f"environment of process {pid}")
    for argument in processes.command_line(pid):
        value = argument.partition("=")[2] if argument.startswith("-") else argument
        candidate = parse(value, f"command line of process {pid}")
        if candidate:
            found.append(candidate)
    folder = processes.working_folder(pid)
    if folder:
        for setting in settings_in(Path(folder)):
            found += _of_setting(setting)
    return found


def _of_setting(setting: Setting) -> list[Candidate]:
    if setting.call:
        kind: Kind = "redis" if setting.call == "redis" else "postgresql"
        candidate = _of_parts(kind, dict(setting.values), setting.source)
        return [candidate] if candidate else []
    return from_environment(dict(setting.values), setting.source)


def _of_conninfo(text: str, source: str) -> Candidate | None:
    """`host=... dbname=...`; only when it names a host or a database, so that prose is not taken for one."""
    if "host=" not in text and "dbname=" not in text:
        return None
    try:
        words = conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        return None
    return _of_parts("postgresql", {key: str(value) for key, value in words.items() if value is not None}, source)


def _of_postgres_url(text: str, source: str) -> Candidate | None:
    url = urlsplit(text)
    words = {key: value for key, value in parse_qsl(url.query) if key in _KEPT_OPTIONS}
    words |= {"host": unquote(url.hostname)} if url.hostname else {}
    words |= {"port": str(url.port)} if url.port else {}
    words |= {"user": unquote(url.username)} if url.username else {}
    words |= {"password": unquote(url.password)} if url.password else {}
    words |= {"dbname": unquote(url.path[1:])} if len(url.path) > 1 else {}
    return _of_parts("postgresql", words, source)


def _of_redis_url(text: str, source: str) -> Candidate | None:
    url = urlsplit(text)
    if url.scheme in {"unix", "redis+socket"}:
        return Candidate("redis", f"unix://{text.partition('://')[2]}", source, url.path)
    scheme = "rediss" if url.scheme in {"rediss", "valkeys"} else "redis"
    port = str(url.port or DEFAULT_PORT["redis"])
    return Candidate(
        "redis", f"{scheme}://{text.partition('://')[2]}", source, _address(url.hostname or "localhost", port)
    )


def _of_parts(kind: Kind, parts: Mapping[str, str], source: str) -> Candidate | None:
    port = parts.get("port") or DEFAULT_PORT[kind]
    if not port.isdigit():
        return None  # Kubernetes sets REDIS_PORT=tcp://10.0.0.1:6379 for a service of that name
    host = parts.get("host", "")
    if kind == "postgresql":
        kept = {key: value for key, value in parts.items() if key in _KEPT_OPTIONS and value}
        return Candidate(kind, make_conninfo(**(kept | {"port": port})), source, _address(host or "localhost", port))
    password, user = parts.get("password", ""), parts.get("user", "")
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if password else ""
    database = parts.get("dbname", "")
    address = _address(host or "localhost", port)
    path = f"/{database}" if database.isdigit() else ""
    return Candidate(kind, f"redis://{login}{address}{path}", source, address)


def _address(host: str, port: str) -> str:
    if host.startswith("/"):
        return f"{host}/.s.PGSQL.{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _among(candidate: Candidate, seen: Iterable[str]) -> bool:
    """Whether it leads to an address that the application was seen connected to."""
    host, _, port = candidate.address.rpartition(":")
    for address in seen:
        seen_host, _, seen_port = address.rpartition(":")
        local = {host.strip("[]"), seen_host.strip("[]")} <= LOOPBACK
        if address == candidate.address or (port == seen_port and local):
            return True
    return False


def _without_password(kind: str, address: str) -> Iterator[Candidate]:
    """Logins that this machine may allow anyway: on loopback and Unix sockets only."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    socket = address.startswith("/")
    if not socket and host not in LOOPBACK:
        return
    source = f"login without password at {address}"
    if kind == "redis":
        yield Candidate("redis", f"unix://{address}" if socket else f"redis://{address}", source, address)
        return
    if socket:
        host, _, port = address.rpartition("/.s.PGSQL.")
        host, port = (host, port) if host else (address, DEFAULT_PORT["postgresql"])
    for user in dict.fromkeys((pwd.getpwuid(os.geteuid()).pw_name, "postgres")):
        dsn = make_conninfo(host=host or "127.0.0.1", port=port, user=user, dbname="postgres")
        yield Candidate("postgresql", dsn, f"{source} as {user}", address, database_known=False)
