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
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import redis

from unslow.lab import processes
from unslow.lab.database import Database
from unslow.lab.faults import FAULTS, Fault, FaultUnavailable
from unslow.lab.quota import Quota

USUAL_WORKERS = ("--worker-class", "gthread", "--workers", "2", "--threads", "8")
USUAL_RATE = 14.0
HEALTHY_S = 5.0
"""How long the healthy shop is watched at the start, as the truth's zero."""
APPS = Path(__file__).parent / "apps"


@dataclass(frozen=True)
class Truth:
    """What the shop's own visitors saw since the last mark, independently of any diagnosis."""

    mean_ms: float
    n: int
    healthy_ms: float
    failed: int

    @property
    def injected_ms(self) -> float:
        return self.mean_ms - self.healthy_ms


class Lab:
    """`with Lab(("missing_index",)) as lab:`; everything is gone afterwards, also when we are killed."""

    def __init__(
        self,
        faults: Iterable[str] = (),
        *,
        port: int | None = None,
        rate: float | None = None,
        tracing_endpoint: str | None = None,
        metrics: bool = True,
    ) -> None:
        self._first = tuple(faults)
        self._rate = rate
        self._metrics = metrics
        self._tracing = tracing_endpoint
        self.port = port or processes.free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="unslow-lab-"))
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._fault = FAULTS["none"]
        self._healthy_ms = 0.0
        self._mark_s = 0.0
        self._quota: Quota | None = None

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
    def urls(self) -> dict[str, str]:
        return {
            "api-gateway": f"http://127.0.0.1:{self.port}/health",
            "diagnose": self.url,
            "orders": f"http://127.0.0.1:{self._orders_port}/orders",
            "metrics": f"http://127.0.0.1:{self._orders_port}/metrics",
            "payments": f"http://127.0.0.1:{self._payments_port}/state/1",
            "postgres": self._database.dsn,
            "redis": self._redis_url,
        }

    def switch(self, faults: Iterable[str]) -> None:
        """Deploy the shop with these faults instead; ready when this returns."""
        fault = merged([FAULTS[name] for name in faults])
        needs_root = "slow_names" if fault.slow_names else "quota_cores" if fault.quota_cores else ""
        if needs_root and os.getuid() != 0:
            raise FaultUnavailable(f"{needs_root} needs root (a mount namespace, or a cgroup of its own)")
        self._stop("visitors", *(name for name in self._running if name.startswith("beside-")), "orders", "payments")
        if self._quota:
            self._quota.remove()
            self._quota = None
        self._fault = fault
        self._database.set_index(there=not fault.without_index)
        self._fill_cache()
        self._start_payments()
        self._start_orders()
        self._wait(f"http://127.0.0.1:{self.port}/health")
        for kind in fault.disturbers:
            self._beside(kind)
        self._start_visitors(self._rate or fault.rate or USUAL_RATE)
        self.mark()

    def set_rate(self, rate: float) -> None:
        self._stop("visitors")
        self._start_visitors(rate)

    def mark(self, at_s: float | None = None) -> None:
        """The truth counts from now, or from a moment that has passed."""
        self._mark_s = time.time() if at_s is None else at_s

    def truth(self, end_s: float | None = None) -> Truth:
        """Of the visits that were due between the mark and `end_s`."""
        seen = [visit for visit in self._seen() if end_s is None or visit[0] < end_s]
        times = [took for _, took, _, ok in seen if ok]
        mean_ms = sum(times) / len(times) * 1e3 if times else 0.0
        return Truth(mean_ms, len(times), self._healthy_ms, len(seen) - len(times))

    def close(self) -> None:
        self._stop(*reversed(self._running))
        if hasattr(self, "_database"):
            self._database.stop()
        if self._quota:
            self._quota.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        # The services are copied so that they run as anybody's application, not as a part of a package.
        for source in APPS.glob("*.py"):
            service = self.folder / ("payments" if source.stem == "payments" else "orders")
            service.mkdir(exist_ok=True)
            shutil.copy(source, service)
        shutil.copy(APPS / "tracing.py", self.folder / "payments")
        self.folder.chmod(0o755)
        self._orders_port, self._payments_port = processes.free_port(), processes.free_port()
        self._log_port = processes.free_port()
        self._database = Database(self.folder)
        self._start_redis()
        self._start_nginx()
        self.switch(())
        time.sleep(2.0)
        self.mark()
        time.sleep(HEALTHY_S)
        self._healthy_ms = self.truth().mean_ms
        if self._first and self._first != ("none",):
            self.switch(self._first)

    def _start_redis(self) -> None:
        port = processes.free_port()
        self._redis_url = f"redis://127.0.0.1:{port}/0"
        words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
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
        client.flushall()
        for customer in range(1, 401):
            client.set(f"summary:{customer}", '{"count": 200, "sum": 97600}', ex=3600)

    def _start_nginx(self) -> None:
        configuration = self.folder / "nginx.conf"
        configuration.write_text(NGINX.format(folder=self.folder, port=self.port, orders=self._orders_port))
        (self.folder / "logs").mkdir()
        self._running["api-gateway"] = processes.start(
            [processes.nginx(), "-p", self.folder, "-c", configuration], self.folder / "nginx.log"
        )

    def _start_payments(self) -> None:
        environment = {**self._fault.payments, **self._tracing_environment()}
        self._gunicorn(
            "payments",
            self._payments_port,
            ("--worker-class", "gthread", "--workers", "1", "--threads", "12"),
            environment,
        )

    def _start_orders(self) -> None:
        fault = self._fault
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
        counters = self.folder / f"counters-{time.time():.0f}"
        counters.mkdir(exist_ok=True)
        options = fault.options if self._metrics else (*fault.options, "no_metrics")
        environment = {
            "DATABASE_URL": self._database.url,
            "REDIS_URL": self._redis_url,
            "PAYMENTS_URL": f"http://{host}:{payments_port}",
            "SHOP_OPTIONS": ",".join(options),
            "SHOP_LOG": str(self.folder / "orders.jsonl"),
            "LOG_PORT": str(self._log_port),
            "PROMETHEUS_MULTIPROC_DIR": str(counters),
            **self._tracing_environment(),
        }
        self._gunicorn("orders", self._orders_port, fault.workers or USUAL_WORKERS, environment, names_from)
        if fault.quota_cores:
            self._quota = Quota(fault.quota_cores)
            self._wait(f"http://127.0.0.1:{self._orders_port}/health")
            self._quota.hold(self._running["orders"].pid)

    def _tracing_environment(self) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self._tracing} if self._tracing else {}

    def _gunicorn(
        self,
        name: str,
        port: int,
        workers: tuple[str, ...],
        environment: dict[str, str],
        names_from: Path | None = None,
    ) -> None:
        self._running[name] = processes.start(
            [sys.executable, "-m", "gunicorn", f"{name}:app", "--bind", f"127.0.0.1:{port}", *workers],
            self.folder / f"{name}.log",
            cwd=self.folder / name,
            environment=environment,
            names_from=names_from,
        )
        self._wait(f"http://127.0.0.1:{port}{'/health' if name == 'orders' else '/state/1'}")

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
                "PLAIN_DSN": self._database.dsn,
                "REDIS_URL": self._redis_url,
                "ORDERS_PORT": str(self._orders_port),
                "LOG_PORT": str(self._log_port),
                **environment,
            },
        )
        time.sleep(0.3)

    def _start_visitors(self, rate: float) -> None:
        self._running["visitors"] = processes.start(
            [
                sys.executable,
                Path(__file__).parent / "visitors.py",
                str(self.port),
                self._fault.path,
                str(rate),
                self.folder / "visits",
            ],
            self.folder / "visitors.log",
        )

    def _seen(self) -> list[tuple[float, float, str, bool]]:
        """(due, seconds, route, answered) of the visits to the main route since the mark."""
        try:
            lines = (self.folder / "visits").read_text().splitlines()
        except FileNotFoundError:
            return []
        rows = [line.split() for line in lines]
        visits = [(float(r[0]), float(r[1]), r[2], r[3] == "1") for r in rows if len(r) == 4]
        return [visit for visit in visits if visit[0] >= self._mark_s and visit[2] == self._fault.path]

    def _stop(self, *names: str) -> None:
        for name in names:
            process = self._running.pop(name, None)
            if process is not None:
                processes.stop(process)

    def _wait(self, url: str) -> None:
        for _ in range(200):
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    answer.read()
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError(f"the shop does not answer at {url}; see {self.folder}")


def merged(faults: list[Fault]) -> Fault:
    """Two faults at once: switches add up, the lower rate wins."""
    if not faults:
        return FAULTS["none"]
    rates = [fault.rate for fault in faults if fault.rate is not None]
    return Fault(
        title=" and ".join(fault.title for fault in faults),
        options=tuple(option for fault in faults for option in fault.options),
        workers=next((fault.workers for fault in faults if fault.workers), None),
        rate=min(rates) if rates else None,
        payments={name: value for fault in faults for name, value in fault.payments.items()},
        disturbers=tuple(kind for fault in faults for kind in fault.disturbers),
        without_index=any(fault.without_index for fault in faults),
        relay_s=max(fault.relay_s for fault in faults),
        slow_names=any(fault.slow_names for fault in faults),
        quota_cores=next((fault.quota_cores for fault in faults if fault.quota_cores), None),
        path=faults[0].path,
    )


NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/logs/error.log;
events {{ worker_connections 512; }}
http {{
  access_log {folder}/logs/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://127.0.0.1:{orders};
      proxy_read_timeout 60s;
    }}
  }}
}}
"""
