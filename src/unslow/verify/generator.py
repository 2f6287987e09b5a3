"""Sends requests when they are due, whether or not answers come, and times each from that moment."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator

from unslow.http_request import HttpRequest, tls_context
from unslow.verify.histogram import Histogram
from unslow.verify.http1 import Answer, ProtocolError
from unslow.verify.targets import Address

SWEEP_S = 0.01
"""How often requests are looked through for those whose time is up."""
BURST = 64
"""Requests sent in one go when behind; then answers are read first, or none would ever be."""
LARGEST_ANSWER = 64 * 1024 * 1024
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that may be sent again when a kept connection turns out to be closed."""


class Request:
    """One request from the moment it is due until it is answered or given up."""

    __slots__ = ("connecting", "connection", "done", "due_s")

    def __init__(self, due_s: float) -> None:
        self.due_s = due_s
        self.connection: Connection | None = None
        self.connecting: asyncio.Task[None] | None = None
        self.done = False


class Connection(asyncio.Protocol):
    """One connection to the target: carries one request at a time, and reports what becomes of it."""

    __slots__ = ("_answer", "_generator", "request", "served", "transport")

    def __init__(self, generator: Generator, request: Request) -> None:
        self._generator = generator
        self._answer = Answer()
        self.transport: asyncio.Transport | None = None
        self.request: Request | None = request
        self.served = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # a stream connection's transport is one
        self.transport = transport
        request, self.request = self.request, None
        if request is not None and not request.done:
            self.send(request)
        else:
            self._generator.idle.append(self)

    def send(self, request: Request) -> None:
        assert self.transport is not None  # only connections that were made are handed out
        self.request = request
        request.connection = self
        self._answer = Answer(self._generator.method)
        self.transport.write(self._generator.wire)

    def data_received(self, data: bytes) -> None:
        request = self.request
        self._generator.received_bytes += len(data)
        if request is None:
            self.abort()  # an answer to nothing, or one that was given up
            return
        answer = self._answer
        try:
            complete = answer.feed(data)
        except ProtocolError:
            self._fail("bad answer")
            return
        if complete:
            self._complete(request, answer)
        elif answer.body_bytes > LARGEST_ANSWER:
            self._fail("answer too large")

    def connection_lost(self, exc: Exception | None) -> None:
        self._generator.closed(self)
        request, self.request = self.request, None
        if request is None or request.done:
            return
        if self._answer.end():
            self._generator.answered(request, self._answer.status)
        elif self.served and self._answer.is_untouched and self._generator.method in REPEATABLE:
            # The server closed a kept connection just as we used it: nobody has seen the request.
            self._generator.again(request)
        else:
            self._generator.failed(request, "reset" if exc else "closed")

    def abort(self) -> None:
        self.request = None
        if self.transport is not None:
            self.transport.abort()

    def _complete(self, request: Request, answer: Answer) -> None:
        self.request = None
        self.served += 1
        if answer.keep_alive and self.transport is not None and not self.transport.is_closing():
            self._generator.idle.append(self)
        else:
            self.abort()
        self._generator.answered(request, answer.status)

    def _fail(self, kind: str) -> None:
        request = self.request
        self.abort()
        if request is not None:
            self._generator.failed(request, kind)


class Generator:
    """Sends `request` at the offsets that `arrivals` yields (seconds from the start, rising), until they end.

    `finished` is set when all are answered, failed or timed out, or soon after `stop`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        request: HttpRequest,
        address: Address,
        arrivals: Iterator[float],
        *,
        timeout_s: float,
        connections: int,
        block_s: float,
        blocks: int,
    ) -> None:
        self._loop = loop
        self._address = address
        self._host = request.host
        self._tls = tls_context(request) if request.secure else None
        self._arrivals = arrivals
        self._timeout_s = timeout_s
        self._connections = connections
        self._block_s = block_s
        self.method = request.method
        self.wire = request.encoded()
        self.idle: list[Connection] = []
        self._open = 0
        self._waiting: deque[Request] = deque()
        self._under_way: deque[Request] = deque()
        self._next_s: float | None = None
        self._is_stopped = False
        self.finished = asyncio.Event()
        self.start_s = 0.0
        self.first_sent_s: float | None = None
        self.last_sent_s = 0.0
        self.due = 0
        self.in_flight = 0
        self.answers = Histogram(blocks)
        self.lateness = Histogram()
        self.statuses: Counter[int] = Counter()
        self.failures: Counter[str] = Counter()
        self.opened = 0
        self.most_open = 0
        self.reconnects = 0
        self.unfinished = 0
        """Requests under way when it was stopped."""
        self.held_back = 0
        """Requests that had to wait for one of the allowed connections."""
        self.received_bytes = 0

    def start(self) -> None:
        self.start_s = self._loop.time() + 0.005
        self._loop.call_later(SWEEP_S, self._sweep)
        self._plan_next()

    def stop(self) -> None:
        """Send no more and await nothing more."""
        self._is_stopped = True
        self._next_s = None
        for connection in list(self.idle):
            connection.abort()
        for request in self._under_way:
            _let_go(request)
        self.unfinished = self.in_flight
        self.finished.set()

    @property
    def is_sending(self) -> bool:
        return self._next_s is not None

    @property
    def achieved_per_s(self) -> float:
        """Requests sent a second, from the first to the last."""
        span_s = self.last_sent_s - (self.first_sent_s or 0.0)
        return (self.due - 1) / span_s if self.due > 1 and span_s > 0 else 0.0

    def _plan_next(self) -> None:
        offset_s = next(self._arrivals, None)
        self._next_s = None if offset_s is None else self.start_s + offset_s
        if self._next_s is not None:
            self._loop.call_at(self._next_s, self._tick)

    def _tick(self) -> None:
        """Send all that is due; behind time, everything at once, each counted from its own moment."""
        for _ in range(BURST):
            if self._next_s is None or self._is_stopped:
                return
            now_s = self._loop.time()
            if self._next_s > now_s:
                self._loop.call_at(self._next_s, self._tick)
                return
            self._fire(self._next_s, now_s)
            offset_s = next(self._arrivals, None)
            self._next_s = None if offset_s is None else self.start_s + offset_s
        self._loop.call_soon(self._tick)

    def _fire(self, due_s: float, now_s: float) -> None:
        request = Request(due_s)
        self._under_way.append(request)
        self.due += 1
        self.in_flight += 1
        self.lateness.add(now_s - due_s)
        if self.first_sent_s is None:
            self.first_sent_s = now_s
        self.last_sent_s = now_s
        self._dispatch(request)

    def _dispatch(self, request: Request) -> None:
        connection = self._spare()
        if connection is not None:
            connection.send(request)
        elif self._open < self._connections:
            self._connect(request)
        else:
            self.held_back += 1
            self._waiting.append(request)

    def _spare(self) -> Connection | None:
        """The kept connection used last: the others stay idle, and the server may close them."""
        while self.idle:
            connection = self.idle.pop()
            if connection.transport is not None and not connection.transport.is_closing():
                return connection
        return None

    def _serve_waiting(self) -> None:
        while self._waiting and not self._is_stopped:
            if self._waiting[0].done:
                self._waiting.popleft()
                continue
            connection = self._spare()
            if connection is not None:
                connection.send(self._waiting.popleft())
            elif self._open < self._connections:
                self._connect(self._waiting.popleft())
            else:
                return

    def _connect(self, request: Request) -> None:
        self._open += 1
        self.opened += 1
        self.most_open = max(self.most_open, self._open)
        request.connecting = self._loop.create_task(self._connected(request))

    async def _connected(self, request: Request) -> None:
        connection = Connection(self, request)
        plain = socket.socket(self._address.family, socket.SOCK_STREAM)
        plain.setblocking(False)
        try:
            await self._loop.sock_connect(plain, self._address.sockaddr)
            await self._loop.create_connection(
                lambda: connection,
                sock=plain,
                ssl=self._tls,
                server_hostname=self._host if self._tls else None,
            )
        except (OSError, asyncio.CancelledError) as error:
            plain.close()
            if connection.transport is None:
                self._open -= 1
                self.failed(request, _kind(error))
        request.connecting = None

    def again(self, request: Request) -> None:
        self.reconnects += 1
        self._dispatch(request)

    def answered(self, request: Request, status: int) -> None:
        if request.done or self._is_stopped:
            return
        request.done = True
        self.in_flight -= 1
        self.statuses[status] += 1
        self._count(request, self._loop.time() - request.due_s)
        self._serve_waiting()

    def failed(self, request: Request, kind: str) -> None:
        if request.done or self._is_stopped:
            return
        request.done = True
        self.in_flight -= 1
        self.failures[kind] += 1
        self._serve_waiting()

    def closed(self, connection: Connection) -> None:
        self._open -= 1
        if connection in self.idle:
            self.idle.remove(connection)
        self._serve_waiting()

    def _count(self, request: Request, seconds: float) -> None:
        self.answers.add(seconds, int((request.due_s - self.start_s) / self._block_s))

    def _sweep(self) -> None:
        """Give up requests whose time is up: they count as answers that took the whole time-out."""
        latest_s = self._loop.time() - self._timeout_s
        under_way = self._under_way
        while under_way and (under_way[0].done or under_way[0].due_s <= latest_s):
            request = under_way.popleft()
            if not request.done:
                self._time_out(request)
        if not under_way and not self.is_sending:
            self.stop()
        elif not self._is_stopped:
            self._loop.call_later(SWEEP_S, self._sweep)

    def _time_out(self, request: Request) -> None:
        self._count(request, self._timeout_s)
        self.failed(request, "timeout")
        _let_go(request)


def _let_go(request: Request) -> None:
    """Close what still works for a request that nobody waits for any more."""
    if request.connecting is not None:
        request.connecting.cancel()
    if request.connection is not None and request.connection.request is request:
        request.connection.abort()


def _kind(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return "tls" if type(error).__module__ == "ssl" else "no connection"


def uniform(rate_per_s: float, duration_s: float) -> Iterator[float]:
    """Offsets at equal distances, the first at 0."""
    return (number / rate_per_s for number in range(round(rate_per_s * duration_s)))


def poisson(rate_per_s: float, duration_s: float, gap: Callable[[float], float]) -> Iterator[float]:
    """Offsets with exponential gaps: as independent callers arrive. `gap` draws one for a rate."""
    at_s = gap(rate_per_s)
    while at_s < duration_s:
        yield at_s
        at_s += gap(rate_per_s)
