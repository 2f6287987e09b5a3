"""One WebSocket to the API server, on the client's own connection, credentials and proxy.

Two threads may use it, one reading, one writing: TLS itself allows only one at a time, so the reader waits
for the network outside the lock. A read has a deadline and can be repeated after it.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, generate_nonce

from unslow.kube.client import Client, refusal, unreachable
from unslow.kube.connection import Response, target_of
from unslow.kube.errors import ApiError, Unreachable

_AT_ONCE = 256 * 1024
_HANDSHAKE_S = 10.0
_LONGEST_HEAD = 256 * 1024


class WebSocket:
    """Made by `connected`."""

    def __init__(self, stream: socket.socket, subprotocol: str, server: str, begun: bytes = b"") -> None:
        self.subprotocol = subprotocol
        self._stream = stream
        self._server = server
        self._tls = stream if isinstance(stream, ssl.SSLSocket) else None
        self._frames = Connection(ConnectionType.CLIENT)
        self._lock = threading.Lock()
        self._ready: deque[bytes] = deque()
        self._begun: list[bytes] = []
        self.ended = False
        if begun:
            self._fed(begun)

    def send(self, data: bytes) -> None:
        """Raises `Unreachable` when the other side is gone."""
        with self._lock:
            self._write(BytesMessage(data))

    def receive(self, seconds: float) -> bytes | None:
        """The next message; None when the other side has closed. Raises `TimeoutError`, `Unreachable`."""
        ends = time.monotonic() + seconds
        while not self._ready:
            if self.ended:
                return None
            if not self._readable(max(0.0, ends - time.monotonic())):
                raise TimeoutError
            with self._lock:
                self._read(max(0.01, ends - time.monotonic()))
        return self._ready.popleft()

    def close(self) -> None:
        """Says goodbye; never fails."""
        with self._lock, contextlib.suppress(Unreachable):
            if self._frames.state is ConnectionState.OPEN:
                self._write(CloseConnection(code=1000))
        self.ended = True

    def _readable(self, seconds: float) -> bool:
        with self._lock:  # OpenSSL allows no two threads in one connection, not even to ask
            if self._tls is not None and self._tls.pending():
                return True
        return bool(select.select([self._stream], [], [], seconds)[0])

    def _read(self, seconds: float) -> None:
        try:
            self._stream.settimeout(seconds)
            data = self._stream.recv(_AT_ONCE)
        except TimeoutError:
            return
        except OSError as error:
            self.ended = True
            raise unreachable(self._server, "read a stream", error) from error
        self._fed(data)

    def _fed(self, data: bytes) -> None:
        if not data:
            self.ended = True
            return
        self._frames.receive_data(data)
        for event in self._frames.events():
            if isinstance(event, Ping):
                self._write(event.response())
            elif isinstance(event, CloseConnection):
                self.ended = True
            elif isinstance(event, Message):
                self._put(event)

    def _put(self, event: BytesMessage | TextMessage | Message[Any]) -> None:
        data = event.data.encode() if isinstance(event.data, str) else bytes(event.data)
        self._begun.append(data)
        if event.message_finished:
            self._ready.append(b"".join(self._begun) if len(self._begun) > 1 else data)
            self._begun.clear()

    def _write(self, event: Any) -> None:
        try:
            self._stream.settimeout(_HANDSHAKE_S)
            self._stream.sendall(self._frames.send(event))
        except (OSError, LocalProtocolError) as error:  # the other side may have closed in this moment
            self.ended = True
            raise unreachable(self._server, "write to a stream", error) from error


@contextlib.contextmanager
def connected(
    client: Client,
    path: str,
    subprotocols: Sequence[str],
    parameters: Mapping[str, str | int | Sequence[str]],
    *,
    asked: str,
) -> Iterator[WebSocket]:
    """An open WebSocket. Raises `ApiError` with the server's own words when it refuses, else `Unreachable`."""
    deadline = time.monotonic() + client.left_s(_HANDSHAKE_S)
    try:
        stream = client.connections.opened(deadline)
    except (OSError, http.client.HTTPException) as error:
        raise unreachable(client.access.server, asked, error) from error
    with stream:
        try:
            stream.sendall(_request(client, target_of(path, parameters), subprotocols))
            response, rest = _answer(stream, deadline)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise unreachable(client.access.server, asked, error) from error
        client.noted(response)
        if response.status != 101:
            raise (
                refusal(response, asked)
                if not response.ok
                else ApiError(
                    response.status,
                    "NoUpgrade",
                    "a proxy on the way does not let WebSockets through",
                    asked=asked,
                    remedy="reach the API server without that proxy",
                )
            )
        opened = WebSocket(stream, response.headers.get("Sec-WebSocket-Protocol") or "", client.access.server, rest)
        try:
            yield opened
        finally:
            opened.close()


def _request(client: Client, target: str, subprotocols: Sequence[str]) -> bytes:
    headers = [
        ("Host", client.connections.authority),
        *((name, value) for name, value in client.headers() if name != "Accept"),
        ("Accept", "*/*"),  # the kubelet refuses to forward ports as JSON
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", generate_nonce().decode()),
        ("Sec-WebSocket-Protocol", ", ".join(subprotocols)),
    ]
    lines = [f"GET {client.connections.prefix}{target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _answer(stream: socket.socket, deadline: float) -> tuple[Response, bytes]:
    """Status and headers, and what came after them; of a refusal the body too."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(stream, deadline)
        if len(data) > _LONGEST_HEAD:
            raise http.client.LineTooLong("headers")
    head, _, rest = data.partition(b"\r\n\r\n")
    status, _, lines = head.partition(b"\r\n")
    headers = http.client.parse_headers(io.BytesIO(lines + b"\r\n\r\n"))
    code = int(status.split()[1])
    if code == 101:
        return Response(code, headers, b""), rest
    length = min(int(headers.get("Content-Length") or 0), _LONGEST_HEAD)
    with contextlib.suppress(OSError):  # the status alone says enough
        while len(rest) < length:
            rest += _more(stream, deadline)
    return Response(code, headers, rest[:length]), b""


def _more(stream: socket.socket, deadline: float) -> bytes:
    stream.settimeout(max(0.01, deadline - time.monotonic()))
    data = stream.recv(_AT_ONCE)
    if not data:
        raise http.client.RemoteDisconnected("closed during the handshake")
    return data
