"""The shop itself: starts everything, changes its faults while it runs, and knows the truth about them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import redis

from unslow.lab import gateway, processes
from unslow.lab.database import Database
from unslow.lab.faults import FAULTS, Fault, FaultUnavailable, merged
from unslow.lab.quota import Quota
from unslow.lab.truth import Seen, Truth, compare, look

__all__ = ["FaultUnavailable", "Lab", "Truth"]

USUAL_WORKERS = ("--worker-class", "gthread", "--workers", "2", "--threads", "8")
PAYMENTS_WORKERS = ("--worker-class", "gthread", "--workers", "1", "--threads", "12")
STOPPING = ("--graceful-timeout", "1")
USUAL_RATE = 30.0
MAIN_ROUTE = "/orders"
ASIDE = {"/products": 0.05, "/health": 0.05}
"""Other routes that are always in the traffic, by their share of the main route's."""
WARM_UP_S = 2.0
CROWDED_MS = (60.0, 250.0)
"""What a visitor of a crowded shop loses on average."""
CROWD_STEPS, CROWD_SETTLE_S, CROWD_WATCH_S = 10, 9.0, 7.0
CROWD_USUAL_S = 60.0
"""Until the crowd is as long as the kernel remembers: before, it is a rise of traffic, and rightly called one."""
APPS = Path(__file__).parent / "apps"
OTLP_ENDPOINT = "http://127.0.0.1:4318"


class Lab:
    """`with Lab(("missing_index",)) as lab:`; everything is gone afterwards, also when we are killed.

    `baseline_s`: how long the healthy shop is watched at the start, as the truth's zero; 0 starts at once.
    `directory`: where its files go, kept afterwards; None: a temporary one.
    `deep`: with a ledger behind the payments service; a slow payments service is then a slow ledger.
    `tracing`: True or the address of an OTLP/HTTP receiver. Its processes die with the thread that made it.
    """

    def __init__(
        self,
        faults: Iterable[str] = (),
        *,
        directory: Path | None = None,
        port: int | None = None,
        rate: float | None = None,
        tracing: bool | str = False,
        metrics: bool = True,
        deep: bool = False,
        baseline_s: float = 5.0,
    ) -> None:
        self._first = tuple(name for name in faults if name != "none")
        self._rate = rate
        self._metrics = metrics
        self._deep = deep
        self._tracing: dict[str, str] = {}
        if tracing:
            usual = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", OTLP_ENDPOINT)
            self._tracing["OTEL_EXPORTER_OTLP_ENDPOINT"] = usual if tracing is True else tracing
        self._baseline_s = baseline_s
        self._keep = directory is not None
        self.port = port or processes.free_port()
        self.folder = directory or Path(tempfile.mkdtemp(prefix="unslow-lab-"))
        self._orders_port, self._payments_port = processes.free_port(), processes.free_port()
        self._ledger_port = processes.free_port()
        self._log_port = processes.free_port()
        self._redis_url = f"redis://127.0.0.1:{processes.free_port()}/0"
        self._database: Database | None = None
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._faults: tuple[str, ...] = ()
        self._fault = FAULTS["none"]
        self._healthy: Seen | None = None
        self._mark_s = 0.0
        self._quota: Quota | None = None
        self._deployments = 0

    def __enter__(self) -> Lab:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self._fault.path}"

    @property
    def dsn(self) -> str:
        """PostgreSQL, as libpq wants it."""
        if self._database is None:
            raise RuntimeError("the shop is not running: use `with Lab() as lab:`")
        return self._database.dsn

    @property
    def redis_url(self) -> str:
        return self._redis_url

    @property
    def urls(self) -> dict[str, str]:
        return {
            "api-gateway": f"http://127.0.0.1:{self.port}/health",
            "diagnose": self.url,
            "orders": f"http://127.0.0.1:{self._orders_port}{MAIN_ROUTE}",
            "metrics": f"http://127.0.0.1:{self._orders_port}/metrics",
            "payments": f"http://127.0.0.1:{self._payments_port}/state/1",
            "postgres": self.dsn,
            "redis": self._redis_url,
        }

    def switch(self, faults: Iterable[str]) -> None:
        """Deploy the shop with these faults instead; ready when this returns.

        `FaultUnavailable` when this machine cannot make one of them: the shop then stays as it was.
        """
        names = tuple(name for name in faults if name != "none")
        fault = merged([FAULTS[name] for name in names])
        _refuse_without_root(fault)
        quota = Quota() if fault.quota_cores else None
        before, self._fault, self._faults = self._fault, fault, names
        self._stop("visitors", *(name for name in self._running if name.startswith("beside-")))
        # More traffic comes to a running shop; everything else comes with a deployment.
        if not ("orders" in self._running and _same_shop(before) and _same_shop(fault)):
            self._deploy(before, fault, quota)
        for kind in fault.disturbers:
            self._beside(kind)
        self._start_visitors(self._rate or fault.rate or USUAL_RATE)
        if fault.crowded and not self._rate:
            self._crowd(fault.rate or USUAL_RATE)
        self.mark()

    def _crowd(self, rate: float) -> None:
        """Raise (or lower) the rate until the visitors lose a time worth finding, and no more than that."""
        healthy = self._healthy.routes[self._fault.path].mean_ms if self._healthy else 0.0
        usual = rate
        for _ in range(CROWD_STEPS):
            time.sleep(CROWD_SETTLE_S)
            seen = self._look(time.time() - CROWD_WATCH_S, None).routes.get(self._fault.path)
            lost_ms = seen.mean_ms - healthy if seen and seen.n else CROWDED_MS[1]
            if CROWDED_MS[0] <= lost_ms < CROWDED_MS[1]:
                break
            rate *= 1.15 if lost_ms < CROWDED_MS[0] else 0.9
            self.set_rate(rate)
        if rate != usual:
            time.sleep(CROWD_USUAL_S)

    def set_rate(self, rate: float) -> None:
        self._stop("visitors")
        self._start_visitors(rate)

    def mark(self, at_s: float | None = None) -> None:
        """The truth counts from now, or from a moment that has passed (Unix seconds)."""
        self._mark_s = time.time() if at_s is None else at_s

    def truth(self, end_s: float | None = None) -> Truth:
        """Of the visits that were due between the mark and `end_s` (Unix seconds; None: now)."""
        parts_of = {name: FAULTS[name].parts for name in self._faults}
        return compare(self._look(self._mark_s, end_s), self._healthy, self._fault.path, parts_of)

    def close(self) -> None:
        self._stop(*self._running)
        if self._database is not None:
            self._database.stop()
        if self._quota:
            self._quota.remove()
        if not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        # The services are copied so that they run as anybody's application, not as a part of a package.
        for service in ("orders", "payments", "ledger"):
            (self.folder / service).mkdir(parents=True, exist_ok=True)
            for name in (service, "tracing", "stopwatch"):
                shutil.copy(APPS / f"{name}.py", self.folder / service)
        self.folder.chmod(0o755)
        self._database = Database(self.folder)
        self._start_redis()
        configuration = gateway.configure(self.folder, self.port, self._orders_port)
        self._running["api-gateway"] = processes.start(
            [processes.nginx(), "-p", self.folder, "-c", configuration], self.folder / "nginx.log"
        )
        if self._baseline_s or not self._first:
            self.switch(())
        if self._baseline_s:
            time.sleep(WARM_UP_S)
            self.mark()
            time.sleep(self._baseline_s)
            self._healthy = self._look(self._mark_s, None)
        if self._first:
            self.switch(self._first)

    def _start_redis(self) -> None:
        port = self._redis_url.rpartition(":")[2].removesuffix("/0")
        words = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self._running["redis"] = processes.start([processes.redis_server(), *words], self.folder / "redis.log")
        client = redis.Redis.from_url(self._redis_url)
        for _ in range(100):
            try:
                client.ping()
                return
            except redis.ConnectionError:
                time.sleep(0.05)
        raise RuntimeError("the shop's cache does not start")

    def _fill_cache(self) -> None:
        client = redis.Redis.from_url(self._redis_url)
        client.flushall(asynchronous=True)
        pipe = client.pipeline()
        for customer in range(1, 401):
            pipe.set(f"summary:{customer}", '{"count": 200, "sum": 97600}', ex=3600)
        pipe.execute()

    def _deploy(self, before: Fault, fault: Fault, quota: Quota | None) -> None:
        """Only what differs is restarted; the orders service always is, so that its counters begin anew."""
        payments_stay = "payments" in self._running and before.payments == fault.payments
        self._stop("orders", *(() if payments_stay else ("payments", "ledger")))
        if self._quota:
            self._quota.remove()
        self._quota = quota
        assert self._database is not None  # started before any deployment
        self._database.set_index(there=not fault.without_index)
        self._fill_cache()
        if not payments_stay:
            self._start_payments(fault)
        timers = self._start_orders(fault)
        self._wait(f"http://127.0.0.1:{self._payments_port}/state/1")
        self._wait(f"http://127.0.0.1:{self.port}/health")
        self._wait_for_workers(timers, fault.workers or USUAL_WORKERS)
        if quota and fault.quota_cores:
            quota.hold(self._running["orders"].pid, fault.quota_cores)

    def _start_payments(self, fault: Fault) -> None:
        environment = dict(fault.payments)
        if self._deep:
            delay_s = environment.pop("PAYMENTS_DELAY_S", "0.004")
            ledger = f"http://127.0.0.1:{self._ledger_port}"
            self._gunicorn("ledger", self._ledger_port, PAYMENTS_WORKERS, {"LEDGER_DELAY_S": delay_s})
            self._wait(f"{ledger}/entries/1")
            environment["LEDGER_URL"] = ledger
        self._gunicorn("payments", self._payments_port, PAYMENTS_WORKERS, environment)

    def _start_orders(self, fault: Fault) -> Path:
        """The folder in which each worker keeps its timers."""
        payments_port, host = self._payments_port, "127.0.0.1"
        if fault.relay_s:
            payments_port = processes.free_port()
            self._beside(
                "relay",
                RELAY_PORT=str(payments_port),
                RELAY_TO=str(self._payments_port),
                RELAY_DELAY_S=str(fault.relay_s),
            )
        names_from = None
        if fault.slow_names:
            host, names_from = "payments.shop.internal", self._name_servers()
        self._deployments += 1
        counters = self.folder / f"counters-{self._deployments}"
        timers = self.folder / "timers" / str(self._deployments)
        counters.mkdir(exist_ok=True)
        timers.mkdir(parents=True, exist_ok=True)
        options = fault.options if self._metrics else (*fault.options, "no_metrics")
        environment = {
            "DATABASE_URL": self._database.url if self._database else "",
            "REDIS_URL": self._redis_url,
            "PAYMENTS_URL": f"http://{host}:{payments_port}",
            "SHOP_OPTIONS": ",".join(options),
            "SHOP_LOG": str(self.folder / "orders.jsonl"),
            "SHOP_TIMES": str(timers),
            "LOG_PORT": str(self._log_port),
            "PROMETHEUS_MULTIPROC_DIR": str(counters),
        }
        self._gunicorn("orders", self._orders_port, fault.workers or USUAL_WORKERS, environment, names_from)
        return timers

    def _gunicorn(
        self,
        name: str,
        port: int,
        workers: tuple[str, ...],
        environment: Mapping[str, str],
        names_from: Path | None = None,
    ) -> None:
        bind = ("--bind", f"127.0.0.1:{port}")
        self._running[name] = processes.start(
            [sys.executable, "-m", "gunicorn", f"{name}:app", *bind, *workers, *STOPPING],
            self.folder / f"{name}.log",
            cwd=self.folder / name,
            environment={**environment, **self._tracing},
            names_from=names_from,
        )

    def _name_servers(self) -> Path:
        """A resolv.conf whose first server never answers, and both servers."""
        self._beside("silent_names", SILENT_ADDRESS="127.77.0.1")
        self._beside("names", NAMES_ADDRESS="127.77.0.2")
        path = self.folder / "resolv.conf"
        path.write_text("nameserver 127.77.0.1\nnameserver 127.77.0.2\noptions timeout:1 attempts:2\n")
        return path

    def _beside(self, kind: str, **environment: str) -> None:
        self._running[f"beside-{kind}"] = processes.start(
            [sys.executable, Path(__file__).parent / "disturb.py", kind],
            self.folder / "beside.log",
            environment={
                "PLAIN_DSN": self.dsn,
                "REDIS_URL": self._redis_url,
                "ORDERS_PORT": str(self._orders_port),
                "LOG_PORT": str(self._log_port),
                **environment,
            },
        )
        time.sleep(0.3)

    def _start_visitors(self, rate: float) -> None:
        streams = {MAIN_ROUTE: rate, **{route: rate * share for route, share in ASIDE.items()}}
        streams.update(self._fault.also)
        script = Path(__file__).parent / "visitors.py"
        words = [f"{route}={per_s}" for route, per_s in streams.items()]
        self._running["visitors"] = processes.start(
            [sys.executable, script, str(self.port), self.folder / "visits", *words],
            self.folder / "visitors.log",
        )

    def _look(self, start_s: float, end_s: float | None) -> Seen:
        until_s = time.time() if end_s is None else end_s
        return look(self.folder / "visits", self.folder / "timers", MAIN_ROUTE, start_s, until_s)

    def _stop(self, *names: str) -> None:
        found = [self._running.pop(name) for name in tuple(names) if name in self._running]
        processes.stop(*found)

    def _wait(self, url: str) -> None:
        for _ in range(200):
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    answer.read()
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError(f"the shop does not answer at {url}; see {self.folder}")

    def _wait_for_workers(self, timers: Path, workers: tuple[str, ...]) -> None:
        """Until all have loaded the application: each makes its own file then."""
        wanted = int(workers[workers.index("--workers") + 1])
        for _ in range(400):
            if len(list(timers.iterdir())) >= wanted:
                return
            time.sleep(0.05)
        raise RuntimeError(f"not all workers start; see {self.folder}")


def _refuse_without_root(fault: Fault) -> None:
    if os.getuid() == 0:
        return
    if fault.slow_names:
        raise FaultUnavailable("a name server of its own needs root: port 53 and a mount namespace")


def _same_shop(fault: Fault) -> bool:
    """Whether it changes nothing but the traffic."""
    usual = FAULTS["none"]
    return replace(fault, title="", rate=None, also={}, path="", parts=()) == replace(usual, title="", path="")
