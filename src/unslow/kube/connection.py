"""HTTP/1.1 to one server over connections that are kept: small, because a big list costs mostly reading.

Uses the standard library's parser of headers; a body in chunks is put together here, in half its time.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit

from unslow.errors import CannotLook

CONNECT_S = 10.0
_GZIP = 31
"""To zlib: a gzip header is expected."""
_PIECE = 64 * 1024
_APART_S = 0.002
"""Between two new connections: a front end with a short queue drops a burst, and that costs a second."""
Headers = Sequence[tuple[str, str]]


class Response:
    """A whole answer."""

    def __init__(self, status: int, headers: http.client.HTTPMessage, content: bytes) -> None:
        self.status = status
        self.headers = headers
        self.content = content

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")


class _Answer(http.client.HTTPResponse):
    """Reads bodies in chunks with fewer calls than the standard library's own loop."""

    deadline: float = 0.0

    def whole(self, deadline: float) -> bytes:
        if not self.chunked:
            return self.read()
        parts: list[bytes] = []
        file = self.fp
        while True:
            line = file.readline(1024)
            size = int(line.split(b";")[0] or b"!", 16)
            if not size:
                break
            part = file.read(size)
            if len(part) < size:
                raise http.client.IncompleteRead(part, size - len(part))
            parts.append(part)
            file.readline(8)
            if time.monotonic() > deadline:
                raise TimeoutError
        while file.readline(_PIECE) not in (b"\r\n", b"\n", b""):
            continue
        self.close()
        return b"".join(parts)


class _Secure(http.client.HTTPConnection):
    """TLS with a name of its own choice, through a proxy's tunnel where there is one."""

    default_port = 443

    def __init__(self, host: str, port: int | None, context: ssl.SSLContext, name: str) -> None:
        super().__init__(host, port, timeout=CONNECT_S)
        self._context = context
        self._name = name

    def connect(self) -> None:
        super().connect()
        self.sock = self._context.wrap_socket(self.sock, server_hostname=self._name)


class Connections:
    """Idle ones are used again; thread-safe."""

    def __init__(self, server: str, context: ssl.SSLContext | None, *, name: str, proxy: str | None, keep: int) -> None:
        parts = urlsplit(server)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self.prefix = parts.path.rstrip("/")
        self.authority = parts.netloc.rpartition("@")[2]
        self._context = context if parts.scheme == "https" else None
        self._name = name or self._host
        self._proxy = urlsplit(proxy) if proxy else None
        if self._proxy and self._proxy.scheme not in {"http", ""}:
            raise CannotLook(
                f"the proxy {self._proxy.scheme}://{self._proxy.hostname} is of a kind that unslow does not speak",
                "use an HTTP proxy (http://HOST:PORT), or forward a local port",
            )
        self._keep = keep
        self._idle: list[http.client.HTTPConnection] = []
        self._warming = 0
        self._lock = threading.Condition()

    def warm(self, count: int) -> None:
        """Opens that many in the background; what goes wrong is told to the first who needs one."""
        self._warming += count
        for number in range(count):
            threading.Thread(target=self._warmed, args=(number * _APART_S,), name="warm", daemon=True).start()

    def _warmed(self, after_s: float) -> None:
        connection: http.client.HTTPConnection | None = self._made()
        time.sleep(after_s)
        try:
            cast(http.client.HTTPConnection, connection).connect()
        except (OSError, http.client.HTTPException):
            connection = None
        with self._lock:
            self._warming -= 1
            if connection is not None:
                self._idle.append(connection)
            self._lock.notify()

    def request(
        self, method: str, target: str, headers: Headers, body: bytes | None, deadline: float, *, compressed: bool
    ) -> Response:
        """Sends and reads everything. Raises OSError, `http.client.HTTPException`, `zlib.error`."""
        with self._lent(method, target, headers, body, deadline, compressed=compressed) as (connection, answer):
            content = answer.whole(deadline)
            encoding = answer.headers.get("Content-Encoding", "")
            if answer.will_close:
                connection.close()
        if encoding == "gzip":
            content = zlib.decompress(content, _GZIP)
        return Response(answer.status, answer.headers, content)

    @contextlib.contextmanager
    def stream(
        self, target: str, headers: Headers, deadline: float, quiet_s: float | None
    ) -> Iterator[tuple[Response, Iterator[bytes]]]:
        """Status and headers, and the body bit by bit; of a refusal the body is read already."""
        with self._lent("GET", target, headers, None, deadline, compressed=False) as (connection, answer):
            connection.sock.settimeout(quiet_s)
            try:
                if answer.status >= 400:
                    yield Response(answer.status, answer.headers, answer.whole(deadline)), iter(())
                else:
                    yield Response(answer.status, answer.headers, b""), iter(lambda: answer.read1(_PIECE), b"")
            finally:
                if answer.will_close or not (answer.isclosed() or answer.length == 0):
                    connection.close()  # what was not read would be taken for the next answer
                answer.close()

    @contextlib.contextmanager
    def _lent(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: bytes | None,
        deadline: float,
        *,
        compressed: bool,
    ) -> Iterator[tuple[http.client.HTTPConnection, _Answer]]:
        connection, answer = self._sent(method, target, headers, body, deadline, compressed=compressed)
        try:
            yield connection, answer
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)

    def _sent(
        self,
        method: str,
        target: str,
        headers: Headers,
        body: bytes | None,
        deadline: float,
        *,
        compressed: bool,
    ) -> tuple[http.client.HTTPConnection, _Answer]:
        """On an idle connection; one that the server closed meanwhile is replaced by a new one."""
        while True:
            connection, used = self._taken()
            try:
                self._write(connection, method, target, headers, body, deadline, compressed=compressed)
                return connection, cast(_Answer, connection.getresponse())
            except BaseException as error:
                connection.close()
                stale = isinstance(error, ConnectionError | http.client.BadStatusLine)
                if not (used and stale):
                    raise

    def _write(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        headers: Headers,
        body: bytes | None,
        deadline: float,
        *,
        compressed: bool,
    ) -> None:
        left = max(0.01, deadline - time.monotonic())
        if connection.sock is None:
            connection.timeout = min(CONNECT_S, left)
            connection.connect()
        connection.sock.settimeout(left)
        connection.putrequest(method, self.prefix + target, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if compressed:
            connection.putheader("Accept-Encoding", "gzip")
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)

    def _taken(self) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            while self._warming and not self._idle:
                self._lock.wait(CONNECT_S)
            if self._idle:
                return self._idle.pop(), True
        return self._made(), False

    def _made(self) -> http.client.HTTPConnection:
        host, port = (self._host, self._port) if self._proxy is None else _address(self._proxy)
        connection: http.client.HTTPConnection
        if self._context is not None:
            connection = _Secure(host, port, self._context, self._name)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=CONNECT_S)
        connection.response_class = _Answer
        if self._proxy is not None:
            connection.set_tunnel(self._host, self._port, headers=_login(self._proxy))
        return connection

    def _give_back(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if connection.sock is not None and len(self._idle) < self._keep:
                self._idle.append(connection)
                return
        connection.close()

    def fresh(self) -> http.client.HTTPConnection:
        """One that nobody else will use; the caller closes it."""
        return self._made()

    def opened(self, deadline: float) -> socket.socket:
        """A socket of one's own, for a protocol of one's own; the caller closes it."""
        connection = self._made()
        connection.timeout = min(CONNECT_S, max(0.01, deadline - time.monotonic()))
        connection.connect()
        return connection.sock

    def close(self) -> None:
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()


def _address(proxy: Any) -> tuple[str, int]:
    return proxy.hostname or "", proxy.port or 3128


def _login(proxy: Any) -> dict[str, str]:
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def target_of(path: str, parameters: Mapping[str, Any] | None) -> str:
    """Path and query; a parameter with several values is repeated."""
    pairs = []
    for name, value in (parameters or {}).items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [f"{quote(name)}={quote(str(one), safe='')}" for one in values]
    return quote(path, safe="/:@!$&'()*+,;=%~-._?") + ("?" + "&".join(pairs) if pairs else "")
