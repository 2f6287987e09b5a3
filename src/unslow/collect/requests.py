"""Our own requests to the target, timed part by part, each from the moment it was due."""

from __future__ import annotations

import contextlib
import http.client
import io
import math
import random
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from unslow.errors import BadUsage, Unavailable
from unslow.evidence.requests import GIVEN_UP, Requests
from unslow.evidence.window import Window
from unslow.http_request import HttpRequest, http_request, tls_context

if TYPE_CHECKING:
    import ssl

    from typing_extensions import Buffer

MOST_PER_S = 4.0
"""Own requests a second at most: a mean within about a tenth in ten seconds, little beside real traffic."""
LEAST_PER_S = 1.0
"""Even a slow target is asked once a second, side by side, or the window would hold no answer."""
FIRST_PER_S = 4.0
"""Until the first answers tell how long one takes."""
OWN_IN_FLIGHT = 0.5
"""Rate x response time that our own requests may add to the target's work, on average."""
RATE_HELD_S = 4.0
"""A rate that followed each answer would ask a slow target less often, and so find it faster than it is."""
CONCURRENT = 40
"""Connections open at once. A request that is due meanwhile waits, and its wait counts."""
READ_BYTES = 65536
EARLY_S = 0.02
"""A request's thread is started this long before it is due, so that starting it costs the request nothing."""
SWITCH_S = 0.0001
"""How soon a thread that got its answer takes the interpreter from a busy one (Python's default: 5 ms)."""


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
    """0 when no connection came about."""
    redirect: str = ""
    """Path of the place that the answer points to; it is not followed."""

    @property
    def start_s(self) -> float:
        """When the first system call was made for it, Unix seconds."""
        return self.due_s + self.wait_s

    @property
    def end_s(self) -> float:
        return self.start_s + self.dns_s + self.connect_s + self.tls_s + self.first_byte_s + self.body_s


@dataclass(slots=True)
class _UnderWay:
    due_s: float
    connection: socket.socket | None = None

    def given_up(self, now_s: float) -> Timed:
        """As it stands: waiting for its connection, else for its answer."""
        waited_s = now_s - self.due_s
        connecting, answering = (waited_s, 0.0) if self.connection is None else (0.0, waited_s)
        return Timed(self.due_s, 0.0, 0.0, connecting, 0.0, answering, 0.0, GIVEN_UP, 0)


@dataclass
class _Clock:
    """Unix seconds that no correction of the system's clock can bend."""

    offset_s: float = field(default_factory=lambda: time.time() - time.perf_counter())

    def now_s(self) -> float:
        return self.offset_s + time.perf_counter()


class Prober:
    """Sends GET (or HEAD) requests with Poisson arrivals from threads of its own until `stop()`.

    Each request opens a new connection, so that name, connection and TLS are measured each time.
    The rate is such that our own requests in flight stay at `OWN_IN_FLIGHT` on average, within
    `LEAST_PER_S` and `MOST_PER_S`, unless `rate_per_s` is given.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
        rate_per_s: float | None = None,
        method: str = "GET",
    ) -> None:
        if method not in {"GET", "HEAD"}:
            raise BadUsage(f"{method} may change data", "timed requests are GET or HEAD")
        self._request = http_request(url, method=method, headers={"Connection": "close", **(headers or {})})
        self._context = tls_context(self._request) if self._request.secure else None
        self._timeout_s = timeout_s
        self._fixed_rate = rate_per_s
        self._clock = _Clock()
        self._done: list[Timed] = []
        self._under_way: dict[int, _UnderWay] = {}
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(CONCURRENT)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send, name="prober", daemon=True)
        self._switch_s = sys.getswitchinterval()

    def start(self) -> None:
        sys.setswitchinterval(min(SWITCH_S, self._switch_s))
        self._thread.start()

    def stop(self) -> None:
        """No more requests; those under way are cut off and not counted."""
        self._stop.set()
        with self._lock:
            waiting = list(self._under_way.values())
        for one in waiting:
            if one.connection is not None:
                with contextlib.suppress(OSError):  # it may have ended on its own in this moment
                    one.connection.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join(timeout=2.0)
        sys.setswitchinterval(self._switch_s)

    def requests(self) -> list[Timed]:
        """Those answered (or given up) so far, in the order of their ends."""
        with self._lock:
            return list(self._done)

    def intervals(self) -> list[tuple[float, float]]:
        """[start, end) of the requests answered so far, Unix seconds."""
        return [(timed.start_s, timed.end_s) for timed in self.requests()]

    def window(self, window: Window, lost: Collection[int] = (), patience_s: float = math.inf) -> Requests:
        """The requests due within `window`; waits for those still under way, at most their time-out and `patience_s`.

        One still under way then is given up: it stands with the time that it has waited, a lower bound.

        `lost`: local ports of those that failed on our own way there; they tell nothing of the service. Raises
        `Unavailable` when no other is left.
        """
        until_s = window.end_s + min(self._timeout_s + 1.0, patience_s)
        while self._waiting(window) and self._clock.now_s() < until_s:
            time.sleep(0.02)
        with self._lock:
            now_s = self._clock.now_s()
            known = [*self._done, *(one.given_up(now_s) for one in self._under_way.values() if one.due_s <= now_s)]
        timed = sorted((one for one in known if window.start_s <= one.due_s < window.end_s), key=lambda one: one.due_s)
        if lost:
            timed = [one for one in timed if one.status or one.local_port not in lost]
            if not timed:
                raise Unavailable("an answer: every connection broke on our own way to the service", "try again")
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
        """The rate that the latest answers, and the age of those still awaited, call for."""
        if self._fixed_rate:
            return self._fixed_rate
        now = self._clock.now_s()
        with self._lock:
            answered = [one.end_s - one.due_s for one in self._done if one.end_s > now - RATE_HELD_S]
            awaited = [now - one.due_s for one in self._under_way.values() if one.due_s < now]
        return affordable_rate_per_s(answered, awaited)

    def _waiting(self, window: Window) -> bool:
        with self._lock:
            return any(window.start_s <= one.due_s < window.end_s for one in self._under_way.values())

    def _send(self) -> None:
        chance = random.Random(20)  # noqa: S311 - arrivals, not secrets
        due_s = rate_until_s = self._clock.now_s()
        rate_per_s = self.rate_per_s()
        for number in _numbers(self._stop):
            due_s += -math.log(1.0 - chance.random()) / rate_per_s
            if self._stop.wait(max(0.0, due_s - EARLY_S - self._clock.now_s())):
                return
            with self._lock:
                self._under_way[number] = _UnderWay(due_s)
            threading.Thread(target=self._one, args=(number, due_s), name="prober-request", daemon=True).start()
            if due_s >= rate_until_s:
                rate_per_s, rate_until_s = self.rate_per_s(), due_s + (RATE_HELD_S if self._done else 0.5)

    def _one(self, number: int, due_s: float) -> None:
        timed = None
        with self._slots:
            if not self._stop.wait(max(0.0, due_s - self._clock.now_s())):
                timed = self._exchange(number, due_s)
        with self._lock:
            del self._under_way[number]
            if timed is not None and not self._stop.is_set():
                self._done.append(timed)

    def _exchange(self, number: int, due_s: float) -> Timed:
        def opened(connection: socket.socket) -> None:
            with self._lock:
                self._under_way[number].connection = connection
                if self._stop.is_set():  # `stop` has passed this one by, for it had no connection yet
                    connection.shutdown(socket.SHUT_RDWR)

        return exchange(self._request, self._context, due_s, self._timeout_s, self._clock.now_s, opened)


def affordable_rate_per_s(answered_s: Sequence[float], awaited_s: Sequence[float]) -> float:
    """Requests a second that keep `OWN_IN_FLIGHT` of them in flight.

    One still awaited will take at least as long as it has waited.
    """
    known = [*answered_s, *(age for age in awaited_s if age > 1.0 / MOST_PER_S)]
    if not known:
        return FIRST_PER_S
    return min(MOST_PER_S, max(LEAST_PER_S, OWN_IN_FLIGHT / max(sum(known) / len(known), 1e-3)))


def exchange(
    request: HttpRequest,
    context: ssl.SSLContext | None,
    due_s: float,
    timeout_s: float,
    now_s: Callable[[], float],
    opened: Callable[[socket.socket], None],
) -> Timed:
    """One request over a fresh connection; `timeout_s` counts from `due_s`.

    No answer (a time-out, a refusal, a cut) has status 0 and the time it took, in the part that failed.
    """
    marks = [now_s()]
    deadline = due_s + timeout_s
    status, port, redirect = 0, 0, ""

    def left_s() -> float:
        remaining = deadline - now_s()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    try:
        left_s()
        addresses = socket.getaddrinfo(request.host, request.port, type=socket.SOCK_STREAM)
        marks.append(marks[0] if request.is_literal else now_s())
        with _connected(addresses, left_s) as plain:
            opened(plain)
            marks.append(now_s())
            port = plain.getsockname()[1]
            with _secured(plain, context, request.host) as stream:
                marks.append(now_s() if context else marks[-1])
                stream.sendall(request.encoded())
                incoming = _Incoming(stream, left_s, lambda: marks.append(now_s()))
                answer = http.client.HTTPResponse(cast("socket.socket", incoming), method=request.method)
                answer.begin()
                while answer.read(READ_BYTES):
                    pass
                if answer.length:
                    raise http.client.IncompleteRead(b"", answer.length)
                status = answer.status
                redirect = urlsplit(answer.headers.get("Location") or "").path if 300 <= status < 400 else ""
    except (OSError, http.client.HTTPException, ValueError):
        status = 0  # told by the status: no answer that can be read
    marks.append(now_s())
    steps = [later - earlier for earlier, later in pairwise(marks)]
    dns, connect, tls, first, body = (*steps, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
    return Timed(due_s, max(0.0, marks[0] - due_s), dns, connect, tls, first, body, status, port, redirect)


Address = tuple[
    socket.AddressFamily,
    socket.SocketKind,
    int,
    str,
    tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
]


def _connected(addresses: Sequence[Address], left_s: Callable[[], float]) -> socket.socket:
    """The first address that answers, each given an equal part of the time left."""
    failure: OSError = TimeoutError()
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(left_s() / (len(addresses) - tried))
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


def _secured(plain: socket.socket, context: ssl.SSLContext | None, host: str) -> socket.socket:
    return context.wrap_socket(plain, server_hostname=host) if context else plain


class _Incoming(io.RawIOBase):
    """The socket as `http.client` wants it, calling `first` when the first byte has come."""

    def __init__(self, stream: socket.socket, left_s: Callable[[], float], first: Callable[[], None]) -> None:
        super().__init__()
        self._stream, self._left_s = stream, left_s
        self._first: Callable[[], None] | None = first

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self, READ_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        self._stream.settimeout(self._left_s())
        count = self._stream.recv_into(buffer)
        if self._first is not None:
            self._first()
            self._first = None
        return count


def _numbers(stop: threading.Event) -> Iterator[int]:
    number = 0
    while not stop.is_set():
        number += 1
        yield number
