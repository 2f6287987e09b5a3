"""A URL on this machine -> evidence, in the order that disturbs it least.

First who serves it; then the latency window, in which only light readers run; then the stacks,
outside that window; then what can be read at leisure.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import msgspec

from unslow.collect import deploys, discovery, prom_login, prometheus, servers
from unslow.collect.attempts import Attempts
from unslow.collect.cpu import CpuReader
from unslow.collect.discovery import Found
from unslow.collect.dsn import Candidate, Given, candidates
from unslow.collect.gc_state import GcReader
from unslow.collect.items import items
from unslow.collect.memory import MemoryReader
from unslow.collect.metrics_page import MetricsPage
from unslow.collect.netlink import SockDiag
from unslow.collect.otlp import OtlpReceiver
from unslow.collect.packets import PacketReader
from unslow.collect.peers import PeerReader
from unslow.collect.postgres import PostgresReader
from unslow.collect.profiler import record
from unslow.collect.redis import RedisReader
from unslow.collect.requests import Prober
from unslow.collect.saved_series import read_series
from unslow.collect.slow_logs import SlowLogReader
from unslow.collect.sockets import SocketReader
from unslow.collect.spans import read_spans
from unslow.collect.tcp_table import TcpTable
from unslow.collect.threads import ThreadReader, main_thread_serves
from unslow.errors import CannotLook, Unavailable
from unslow.evidence import Evidence
from unslow.evidence.profile import Profile
from unslow.evidence.series import Series
from unslow.evidence.servers import Server
from unslow.evidence.sockets import Sockets
from unslow.evidence.spans import Spans
from unslow.evidence.window import Target, Window
from unslow.measure.span_table import summarise
from unslow.settings import Looking

WINDOW_SHARE = 0.42
"""Of the budget: the latency window."""
PROFILE_SHARE = 0.40
LEAST_PROFILE_S = 3.0
FIND_SHARE = 0.1
"""Of the budget: for finding a metrics page on a server that is busy."""
PATIENCE_SHARE = 0.25
"""Of the budget: for answers that are still awaited after the window."""
"""Of the budget: the stacks. The rest is for finding the processes, plans and logs."""
SAMPLES_PER_S = 20.0
"""Readings a second of what is cheap to read; the table of connections has a pace of its own."""
SCRAPES = 5
GLANCE_S = 0.6
NEEDS_PROCESSES = ("server", "peers", "cpu", "memory", "profile", "deploys")
"""What can only be read of processes that we may see."""
"""Long enough to see whom busy workers talk to."""
LOOK_BACK_S = 3 * 3600.0
"""How far a time-series store is asked back for the time before."""


def collect(looking: Looking, progress: Callable[[str], None]) -> Evidence:
    """Everything that can be known of the URL within the budget.

    Raises `CannotLook` when nobody on this machine serves it.
    """
    return _Look(looking, progress).evidence()


class _Look:
    """One look at one URL: the readers, and the sections they have filled so far."""

    def __init__(self, looking: Looking, progress: Callable[[str], None]) -> None:
        self._looking = looking
        self._progress = progress
        self._attempts = Attempts(progress)
        self._cancel = threading.Event()
        self._sections: dict[str, object] = {}
        self._began_s = time.monotonic()

    def _share_s(self, share: float) -> float:
        """Seconds of the budget."""
        return share * self._looking.budget_s

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began_s

    def evidence(self) -> Evidence:
        url = self._looking.target
        found = self._found(url)
        if found.workers:
            self._fill("server", "process", lambda: servers.server(found))
        prober = Prober(url, headers=self._looking.headers, rate_per_s=self._looking.rate_per_s)
        prober.start()
        try:
            window = self._latency_window(found, prober)
            if self._looking.use_profile and found.workers:
                self._fill(
                    "profile", "process", lambda: self._profile(found, prober), doing="sampling the workers' stacks"
                )
            elif found.workers:
                self._attempts.skip("profile", "process", "switched off", "leave out --no-profile")
        finally:
            prober.stop()
        self._afterwards(found, window)
        evidence = Evidence(
            target=Target(name=_without_credentials(url), service=found.service, path=found.path),
            window=window,
            probes=tuple(self._attempts.probes),
            **self._sections,  # type: ignore[arg-type]
        )
        return msgspec.structs.replace(evidence, items=items(evidence))

    def _found(self, url: str) -> Found:
        """Who serves the URL; processes of somebody else are looked at from outside only."""
        try:
            found = self._attempts.run("discovery", "kernel", lambda: discovery.find(url), doing=f"who serves {url}?")
        except discovery.Hidden as hidden:
            if hidden.found is None:
                raise
            for name in NEEDS_PROCESSES:
                self._attempts.skip(name, "process", hidden.message, hidden.remedy)
            return hidden.found
        if found is None:
            probe = self._attempts.probes[-1]
            raise CannotLook(probe.missing, probe.remedy)
        return found

    def _fill(self, section: str, rung: str, collect: Callable[[], object], *, doing: str = "") -> None:
        value = self._attempts.run(section, rung, collect, doing=doing)
        if value is not None:
            self._sections[section] = value

    def _latency_window(self, found: Found, prober: Prober) -> Window:
        """Light readers only; returns the window in which latency was measured."""
        with ExitStack() as closing:
            readers = self._opened(found, closing)
            page = self._page(found)
            ways_in = self._candidates(found, readers)
            database, cache = self._database(ways_in, closing), self._cache(ways_in, closing)
            receiver = self._receiver(closing)
            window = self._wait_out(readers, page, database, cache)
            patience_s = self._share_s(PATIENCE_SHARE)
            self._fill(
                "requests",
                "request",
                lambda: prober.window(window, patience_s=patience_s),
                doing="waiting for the last answers",
            )
            for section, (rung, reader) in readers.items():
                self._fill(section, rung, partial(reader.result, window))
            if page:
                self._fill("timers", "page", page.timers)
            if database:
                self._fill("queries", "database", database.stop, doing="reading the database's counters and plans")
            if cache:
                self._fill("cache", "cache", cache.stop, doing="reading the cache's counters")
            if receiver:
                heard = partial(self._heard, receiver, found)
                self._fill("spans", "trace", heard, doing="summing up traces")
        self._join_peers()
        return window

    def _opened(self, found: Found, closing: ExitStack) -> dict[str, tuple[str, Reader]]:
        """The kernel's readers that could be opened, by section."""
        server = self._sections.get("server")
        table = _shared_table(closing)
        makers: dict[str, tuple[str, Callable[[], Reader]]] = {
            "sockets": ("kernel", lambda: SocketReader(found, table)),
            "peers": ("kernel", lambda: PeerReader(found, table)),
            "packets": ("kernel", lambda: PacketReader(found)),
            "cpu": ("kernel", lambda: CpuReader(found, server if isinstance(server, Server) else None)),
            "memory": ("process", lambda: MemoryReader(found)),
        }
        opened = {}
        for section, (rung, make) in makers.items():
            if section in NEEDS_PROCESSES and not found.workers:
                continue
            reader = self._attempts.run(section, rung, make, doing=f"opening the {section} reader")
            if reader is not None:
                closing.callback(reader.close)
                opened[section] = (rung, reader)
        return opened

    def _page(self, found: Found) -> MetricsPage | None:
        if not self._looking.use_metrics:
            self._attempts.skip("timers", "page", "switched off", "leave out --no-metrics")
            return None
        parts = urlsplit(self._looking.target)
        own = [f"http://127.0.0.1:{port}" for port in found.ports]
        bases = list(dict.fromkeys([*own, f"{parts.scheme}://{parts.netloc}"]))
        return self._attempts.run(
            "timers", "page", lambda: MetricsPage(bases, self._share_s(FIND_SHARE)), doing="looking for a metrics page"
        )

    def _database(self, ways_in: tuple[Candidate, ...], closing: ExitStack) -> PostgresReader | None:
        if not self._looking.use_database:
            self._attempts.skip("queries", "database", "switched off", "leave out --no-database")
            return None
        reader = self._attempts.run(
            "queries", "database", lambda: PostgresReader(ways_in), doing="logging in to the database"
        )
        if reader:
            closing.callback(reader.close)
        return reader

    def _cache(self, ways_in: tuple[Candidate, ...], closing: ExitStack) -> RedisReader | None:
        if not self._looking.use_database:
            self._attempts.skip("cache", "cache", "switched off", "leave out --no-database")
            return None
        reader = self._attempts.run("cache", "cache", lambda: RedisReader(ways_in), doing="looking for a cache")
        if reader:
            closing.callback(reader.close)
        return reader

    def _receiver(self, closing: ExitStack) -> OtlpReceiver | None:
        port = self._looking.otlp_port
        if port is None:
            return None
        receiver = self._attempts.run("spans", "trace", lambda: OtlpReceiver(port=port))
        return closing.enter_context(receiver) if receiver else None

    def _heard(self, receiver: OtlpReceiver, found: Found) -> Spans:
        source = f"OTLP on port {receiver.port}"
        return summarise(receiver.stop(), None, found.path, source=source, excluded=receiver.excluded)

    def _candidates(self, found: Found, readers: dict[str, tuple[str, Reader]]) -> tuple[Candidate, ...]:
        """Ways to log in to what the application was seen to talk to."""
        given = Given(postgres=self._looking.postgres, redis=self._looking.redis)
        observed: list[tuple[str, str]] = []
        if "peers" in readers:
            reader = readers["peers"][1]
            glance = Window(start_s=time.time(), end_s=time.time() + GLANCE_S)
            while time.time() < glance.end_s:
                reader.sample()
                time.sleep(1.0 / SAMPLES_PER_S)
            peers = self._attempts.run("peers", "kernel", partial(reader.result, glance))
            observed = [(peer.kind, peer.address) for peer in peers] if isinstance(peers, tuple) else []
        return candidates((found.master, *found.workers[:1]) if found.workers else (), observed, given)

    def _wait_out(
        self,
        readers: dict[str, tuple[str, Reader]],
        page: MetricsPage | None,
        database: PostgresReader | None,
        cache: RedisReader | None,
    ) -> Window:
        """Read everything at its own pace until the window is over."""
        for counters in (database, cache):
            if counters is not None:
                counters.start()
        seconds = self._looking.budget_s * WINDOW_SHARE
        start_s, clock = time.time(), time.monotonic()
        if page:
            page.scrape()
        scrapes = 1
        while (elapsed := time.monotonic() - clock) < seconds:
            for _, reader in readers.values():
                reader.sample()
            if database:
                database.sample()
            if page and elapsed >= seconds * scrapes / SCRAPES:
                page.scrape()
                scrapes += 1
            self._progress(f"measuring response times: {seconds - elapsed:.0f} s left")
            time.sleep(1.0 / SAMPLES_PER_S)
        if page:
            page.scrape()
        return Window(start_s=start_s, end_s=time.time())

    def _join_peers(self) -> None:
        """What the application calls belongs to its sockets."""
        peers, sockets = self._sections.pop("peers", ()), self._sections.get("sockets")
        if isinstance(sockets, Sockets) and isinstance(peers, tuple):
            self._sections["sockets"] = msgspec.structs.replace(sockets, peers=peers)

    def _profile(self, found: Found, prober: Prober) -> Profile:
        pids = found.workers_now()
        server = self._sections.get("server")
        serves = main_thread_serves(server.worker_class, server.threads) if isinstance(server, Server) else None
        threads = ThreadReader(pids, serves)
        collector = self._attempts.run("gc", "process", lambda: GcReader(pids))
        try:
            return record(
                pids,
                max(LEAST_PROFILE_S, min(self._share_s(PROFILE_SHARE), self._share_s(1.0) - self._elapsed_s())),
                prober.intervals,
                threads,
                collector.collecting if collector else None,
                self._cancel,
            )
        finally:
            threads.close()
            if collector:
                collector.close()

    def _afterwards(self, found: Found, window: Window) -> None:
        looking = self._looking
        if found.workers:
            self._fill("deploys", "process", lambda: deploys.deploys(found))
        self._fill(
            "slow_log", "log", lambda: SlowLogReader(looking.logs, found.workers).read(window), doing="reading logs"
        )
        if looking.series:
            self._fill("series", "page", partial(read_series, looking.series))
        elif looking.prometheus:
            past = Window(start_s=window.end_s - LOOK_BACK_S, end_s=window.end_s)
            ask = partial(_asked, looking, past, found)
            self._fill("series", "page", ask, doing="asking Prometheus for the time before")
        if looking.spans:
            self._fill("spans", "trace", partial(_summed_spans, looking.spans, found.path))


def _asked(looking: Looking, past: Window, found: Found) -> Series:
    login = prom_login.of(looking.prometheus_config, looking.prometheus_headers)
    return prometheus.series(looking.prometheus or "", past, service=found.service, path=found.path, login=login)


def _shared_table(closing: ExitStack) -> TcpTable | None:
    """None where the kernel cannot be asked; each reader then says what that means to it."""
    try:
        return TcpTable(closing.enter_context(SockDiag()))
    except Unavailable:
        return None


def _summed_spans(path: Path, route: str) -> Spans:
    file = read_spans(path)
    return summarise(file.spans, None, route, source=str(path), excluded=file.excluded)


class Reader(Protocol):
    """Read at a steady pace, then summed up over a window."""

    def sample(self) -> None: ...

    def result(self, window: Window) -> object: ...

    def close(self) -> None: ...


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
