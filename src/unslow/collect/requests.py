"""Our own requests to the target, timed part by part, each from the moment it was due."""

from __future__ import annotations

import math
import random
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from unslow import __version__
from unslow.evidence.requests import Requests
from unslow.evidence.window import Window

MOST_PER_S = 8.0
"""Own requests a second at most: enough for a mean within a tenth in ten seconds, little beside real traffic."""
LEAST_PER_S = 1.0
"""Even a slow target is asked once a second, side by side, or the window would hold no answer."""
OWN_IN_FLIGHT = 0.5
"""Rate x response time that our own requests may add to the target's work, on average."""
CONCURRENT = 40
READ_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Timed:
    """One request: when it was due (Unix seconds), and its parts in seconds."""

    due_s: float
    wait_s: float
    dns_s: float
    connect_s: float
    tls_s: float
    first_byte_s: float
    body_s: float
    status: int
    local_port: int

    @property
    def end_s(self) -> float:
        return self.due_s + sum(
            (self.wait_s, self.dns_s, self.connect_s, self.tls_s, self.first_byte_s, self.body_s)
        )


class Prober:
    """Sends GET requests with Poisson arrivals from a thread of its own until `stop()`.

    Each request opens a new connection, so that name, connection and TLS are measured each time.
    The rate adapts to the answers unless `rate_per_s` is given.
    """

    def __init__(
        self, url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 30.0, rate_per_s: float | None = None
    ) -> None:
        self._request = _Request(url, headers or {}, timeout_s)
        self._timeout_s = timeout_s
        self._fixed_rate = rate_per_s
        self._done: list[Timed] = []
        self._under_way: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, name="prober", daemon=True)
        self._pool = ThreadPoolExecutor(max_workers=CONCURRENT)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2.0)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def intervals(self) -> list[tuple[float, float]]:
        """[start, end) of the requests answered so far, Unix seconds."""
        return [(timed.due_s + timed.wait_s, timed.end_s) for timed in list(self._done)]

    def window(self, window: Window) -> Requests:
        """The requests that were due within `window`; waits for those still under way."""
        deadline = time.monotonic() + self._timeout_s
        while any(due < window.end_s for due in list(self._under_way.values())) and time.monotonic() < deadline:
            time.sleep(0.02)
        timed = sorted(
            (one for one in list(self._done) if window.start_s <= one.due_s < window.end_s), key=lambda one: one.due_s
        )
        return Requests(
            due_s=tuple(one.due_s - window.start_s for one in timed),
            wait_s=tuple(one.wait_s for one in timed),
            dns_s=tuple(one.dns_s for one in timed),
            connect_s=tuple(one.connect_s for one in timed),
            tls_s=tuple(one.tls_s for one in timed),
            first_byte_s=tuple(one.first_byte_s for one in timed),
            body_s=tuple(one.body_s for one in timed),
            status=tuple(one.status for one in timed),
            timeout_s=self._timeout_s,
        )

    def rate_per_s(self) -> float:
        """The rate of the next requests."""
        if self._fixed_rate:
            return self._fixed_rate
        recent = [one.end_s - one.due_s for one in self._done[-10:]]
        if not recent:
            return LEAST_PER_S * 2
        mean_s = sum(recent) / len(recent)
        return min(MOST_PER_S, max(LEAST_PER_S, OWN_IN_FLIGHT / max(mean_s, 1e-3)))

    def _send(self) -> None:
        chance = random.Random(20)  # noqa: S311 - arrivals, not secrets
        due = time.time()
        number = 0
        while not self._stop.is_set():
            due += -math.log(1.0 - chance.random()) / self.rate_per_s()
            if self._stop.wait(max(0.0, due - time.time())):
                return
            if len(self._under_way) < CONCURRENT:
                number += 1
                self._under_way[number] = due
                self._pool.submit(self._one, number, due)

    def _one(self, number: int, due_s: float) -> None:
        self._done.append(self._request.send(due_s))
        del self._under_way[number]


class _Request:
    """One GET request over a fresh connection."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (443 if self._secure else 80)
        self._timeout_s = timeout_s
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {
            "Host": parts.netloc.rpartition("@")[2],
            "User-Agent": f"unslow/{__version__}",
            "Accept": "*/*",
            "Connection": "close",
        }
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            sent["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        sent.update(headers)
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        self._bytes = "\r\n".join(lines).encode()

    def send(self, due_s: float) -> Timed:
        """A time-out or a refusal has status 0 and the time it took."""
        marks = [time.time()]
        status, port = 0, 0
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)[0]
            marks.append(time.time())
            with socket.socket(family, kind, protocol) as plain:
                plain.settimeout(self._timeout_s)
                plain.connect(address)
                port = plain.getsockname()[1]
                marks.append(time.time())
                with self._wrapped(plain) as stream:
                    marks.append(time.time())
                    stream.sendall(self._bytes)
                    head = stream.recv(READ_BYTES)
                    marks.append(time.time())
                    status = _status(head)
                    while stream.recv(READ_BYTES):
                        pass
        except OSError:
            status = 0  # told by the status: no answer
        marks.append(time.time())
        steps = [later - earlier for earlier, later in zip(marks, marks[1:], strict=False)]
        dns, connect, tls, first, body = (*steps, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
        return Timed(due_s, max(0.0, marks[0] - due_s), dns, connect, tls, first, body, status, port)

    def _wrapped(self, plain: socket.socket) -> socket.socket:
        if not self._secure:
            return plain
        context = ssl.create_default_context()
        return context.wrap_socket(plain, server_hostname=self._host)


def _status(head: bytes) -> int:
    words = head[:32].split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/") and words[1][:3].isdigit() else 0
