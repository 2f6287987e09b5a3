"""The shop's PostgreSQL, with a million orders. Filled once per machine, then copied."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from unslow.lab import processes

ROWS = 1_000_000
VERSION = "2"
"""Of the content: another one is filled anew."""
STOP_NOW = signal.SIGINT
"""PostgreSQL's fast shutdown; on SIGTERM it would wait for its clients to go."""

CREATE_INDEX = "CREATE INDEX IF NOT EXISTS orders_by_customer ON orders (customer_id, created)"
FILL = f"""
CREATE EXTENSION pg_stat_statements;
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, visits int NOT NULL) WITH (fillfactor = 40);
INSERT INTO customers SELECT i, 'customer ' || i, 0 FROM generate_series(1, 5000) i;
CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO products SELECT i, 'product ' || i FROM generate_series(1, 2000) i;
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, created int NOT NULL, amount int NOT NULL,
                     product_id int NOT NULL);
INSERT INTO orders SELECT i, i % 5000 + 1, i, i % 977, (i / 5000) % 2000 + 1 FROM generate_series(1, {ROWS}) i;
{CREATE_INDEX};
VACUUM ANALYZE;
"""


class Database:
    """A running server; `dsn` for libpq, `url` for SQLAlchemy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "database"
        self._folder.mkdir()
        self._log = folder / "postgres.log"
        self.port = processes.free_port()
        self.dsn = f"postgresql://shop@127.0.0.1:{self.port}/postgres"
        self.url = f"postgresql+psycopg2://shop@127.0.0.1:{self.port}/postgres"
        template = _template()
        if not template.exists():
            _fill(template)
        subprocess.run(["cp", "-a", "--reflink=auto", template, self._folder / "data"], check=True)
        self._process = _start(self._folder, self.port, self._log)
        _wait(self.dsn)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_statements_reset()")

    def set_index(self, *, there: bool) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            if there:
                connection.execute(CREATE_INDEX)
            else:
                connection.execute("DROP INDEX IF EXISTS orders_by_customer")

    def stop(self) -> None:
        processes.stop(self._process, how=STOP_NOW)


def _template() -> Path:
    server = processes.postgres_folder() / "postgres"
    words = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout.split()
    return processes.cache_folder() / f"postgres-{words[2]}-{VERSION}"


def _fill(template: Path) -> None:
    """Make the data folder elsewhere and rename it, so that neither a broken nor a half one is ever used."""
    template.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="unslow-fill-"))
    beside = template.with_name(f"{template.name}.{os.getpid()}")
    try:
        _fill_in(folder)
        shutil.move(folder / "data", beside)
        if not template.exists():  # else another shop was quicker
            beside.rename(template)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(beside, ignore_errors=True)


def _fill_in(folder: Path) -> None:
    user = processes.as_other_user(folder)
    initdb: list[str | Path] = [*user, processes.postgres_folder() / "initdb", "-D", folder / "data"]
    choices = ["-U", "shop", "-A", "trust", "--no-sync", "-E", "UTF8"]
    subprocess.run([*initdb, *choices], check=True, stdout=subprocess.DEVNULL)
    port = processes.free_port()
    server = _start(folder, port, folder / "log", as_user=user)
    try:
        dsn = f"postgresql://shop@127.0.0.1:{port}/postgres"
        _wait(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in FILL.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
    finally:
        processes.stop(server, how=STOP_NOW, patience_s=30.0)


def _start(folder: Path, port: int, log: Path, *, as_user: list[str] | None = None) -> subprocess.Popen[bytes]:
    user = processes.as_other_user(folder) if as_user is None else as_user
    settings = {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder),
        "shared_preload_libraries": "pg_stat_statements",
        "fsync": "off",
        "synchronous_commit": "off",
        "max_connections": "80",
        "max_parallel_workers_per_gather": "0",
        "jit": "off",
    }
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    server = processes.postgres_folder() / "postgres"
    return processes.start([*user, server, "-D", folder / "data", *words], log, orphaned=STOP_NOW)


def _wait(dsn: str) -> None:
    for _ in range(200):
        try:
            psycopg.connect(dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the shop's database does not start")
