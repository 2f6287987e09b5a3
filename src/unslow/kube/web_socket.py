"""One WebSocket to the API server, on the client's own connection, credentials and proxy.

Two threads may use it, one reading, one writing: TLS itself allows only one at a time, so the reader waits
for the network outside the lock. A read has a deadline and can be repeated after it.
"""

from __future__ import annotations

import contextlib
import select
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpcore2
import httpx2
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, TextMessage
from wsproto.utilities import generate_nonce

from unslow.kube.client import Client, refusal, unreachable
from unslow.kube.errors import ApiError, Unreachable

_AT_ONCE = 256 * 1024
_HANDSHAKE_S = 10.0


class WebSocket:
    """Made by `connected`."""

    def __init__(self, stream: Any, subprotocol: str, server: str) -> None:
        self.subprotocol = subprotocol
        self._stream = stream
        self._server = server
        self._socket = stream.get_extra_info("socket")
        self._tls = stream.get_extra_info("ssl_object")
        self._frames = Connection(ConnectionType.CLIENT)
        self._lock = threading.Lock()
        self._ready: deque[bytes] = deque()
        self._begun: list[bytes] = []
        self.ended = False

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
        if self._tls is not None and self._tls.pending():
            return True
        return bool(select.select([self._socket], [], [], seconds)[0])

    def _read(self, seconds: float) -> None:
        try:
            data = self._stream.read(_AT_ONCE, timeout=seconds)
        except httpcore2.ReadTimeout:
            return
        except (httpcore2.NetworkError, OSError) as error:
            self.ended = True
            raise unreachable(self._server, "read a stream", error) from error
        self._frames.receive_data(data or None)
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

    def _write(self, event: BytesMessage | CloseConnection | Any) -> None:
        try:
            self._stream.write(self._frames.send(event), timeout=_HANDSHAKE_S)
        except (httpcore2.NetworkError, httpcore2.TimeoutException, OSError) as error:
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
    headers = {
        "Accept": "*/*",  # the kubelet refuses to forward ports as JSON
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": generate_nonce().decode(),
        "Sec-WebSocket-Protocol": ", ".join(subprotocols),
    }
    try:
        with client.http.stream(
            "GET",
            path,
            params=parameters,
            headers=headers,
            timeout=client.left_s(_HANDSHAKE_S),
            extensions=client.extensions,
        ) as response:
            client.sent(response)
            if response.status_code != 101:
                response.read()
                if response.is_success:
                    raise ApiError(
                        response.status_code,
                        "NoUpgrade",
                        "a proxy on the way does not let WebSockets through",
                        asked=asked,
                        remedy="reach the API server without that proxy",
                    )
                raise refusal(response, asked)
            chosen = response.headers.get("Sec-WebSocket-Protocol", "")
            socket = WebSocket(response.extensions["network_stream"], chosen, client.access.server)
            try:
                yield socket
            finally:
                socket.close()
    except httpx2.HTTPError as error:
        raise unreachable(client.access.server, asked, error) from error
