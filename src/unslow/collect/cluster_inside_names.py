"""Name look-ups as the application makes them, from its own network namespace and with its own resolver."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from unslow.evidence.cluster import Dns, Lookup

RESOLVER = Path("/etc/resolv.conf")
EVERY_S = 1.0
MOST = 12
"""Look-ups of one name."""
LATE_S = 2.0
"""One that is still under way after that long counts as failed so far."""


class Names:
    """Looks each name up once a second in a thread of its own, from `start` to `result`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._lookups = [_Repeated(name) for name in names]

    def start(self) -> None:
        for lookup in self._lookups:
            threading.Thread(target=lookup.run, name="names", daemon=True).start()

    def result(self) -> Dns:
        ndots, searched = resolver(_text())
        return Dns(ndots=ndots, search_domains=searched, lookups=tuple(lookup.result() for lookup in self._lookups))


class _Repeated:
    def __init__(self, name: str) -> None:
        self._name = name
        self._times: list[float] = []
        self._failures = 0
        self._begun: float | None = None
        self._stop = threading.Event()

    def run(self) -> None:
        for _ in range(MOST):
            start = self._begun = time.monotonic()
            try:
                socket.getaddrinfo(self._name, None, type=socket.SOCK_STREAM)
            except OSError:
                self._failures += 1
            self._begun = None
            self._times.append(time.monotonic() - start)
            if self._stop.wait(EVERY_S):
                return

    def result(self) -> Lookup:
        self._stop.set()
        begun = self._begun
        waited = time.monotonic() - begun if begun is not None else 0.0
        late = waited > LATE_S
        times = (*self._times, waited) if late else tuple(self._times)
        return Lookup(name=self._name, times_s=times, failures=self._failures + late)


def resolver(text: str) -> tuple[int, int]:
    """`ndots` and the number of search domains of a resolv.conf; the last line of a kind counts."""
    ndots, searched = 1, 0
    for line in text.splitlines():
        words = line.split()
        if words[:1] in (["search"], ["domain"]):
            searched = len(words) - 1
        elif words[:1] == ["options"]:
            for option in words[1:]:
                name, _, value = option.partition(":")
                if name == "ndots" and value.isdigit():
                    ndots = int(value)
    return ndots, searched


def _text() -> str:
    try:
        return RESOLVER.read_text()
    except OSError:
        return ""
