"""GET from a server of metrics or logs: bounded in time and size, with what went wrong told apart."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

from unslow.collect import prom_irsa, prom_sigv4
from unslow.collect.prom_login import Login
from unslow.errors import BadUsage, Unavailable
from unslow.kube.connection import Connections

DEADLINE_S = 10.0
"""For one question."""
TOTAL_S = 20.0
"""For all questions to one server together."""
MAX_BYTES = 16 * 2**20
"""A range of 1,000 points is 40 KiB; far more means the wrong query."""


class Http:
    """A server and how to speak to it. Redirects are not followed: they would carry credentials elsewhere."""

    def __init__(self, base_url: str, login: Login, kind: str, total_s: float = TOTAL_S) -> None:
        """`kind` names the server in messages; `total_s` is for all questions. BadUsage for an address that is none."""
        self._url = _split(base_url, kind)
        self._kind = kind
        self._login = login
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "unslow"}
        if self._url.username is not None:
            secret = f"{unquote(self._url.username)}:{unquote(self._url.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
        self._until = time.monotonic() + total_s
        self._question_s = min(DEADLINE_S, total_s)
        secure = self._url.scheme == "https"
        self._connections = Connections(
            base_url,
            (login.tls or ssl.create_default_context()) if secure else None,
            name=login.server_name,
            proxy=login.proxy,
            keep=0,
        )

    @property
    def name(self) -> str:
        """The address without credentials, for messages."""
        if self._login.service:
            return self._login.service
        host = self._url.hostname or ""
        host = f"[{host}]" if ":" in host else host
        port = f":{self._url.port}" if self._url.port else ""
        return f"{self._url.scheme}://{host}{port}{self._url.path.rstrip('/')}"

    @property
    def what(self) -> str:
        """The server, for messages."""
        return f"{self._kind} at {self.name}"

    def get(self, path: str, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body; `path` below the address. Raises Unavailable."""
        query = urlencode(parameters, quote_via=quote)
        return self._get(f"{self._url.path.rstrip('/')}{path}{'?' if query else ''}{query}")

    def no_answer(self, status: int) -> Unavailable:
        """What an answer of that status means that is not the expected JSON."""
        if status in {401, 403}:
            return Unavailable(
                f"{self.what}: not allowed in (HTTP {status})",
                "give credentials: user:password@ in the URL, or a header (Authorization, X-Scope-OrgID)",
            )
        if status == 429:
            return Unavailable(f"{self.what}: too many queries (HTTP 429)", "try again later")
        if status >= 500:
            return Unavailable(f"{self.what}: it fails (HTTP {status})", "look at the server's own log")
        if status in {301, 302, 303, 307, 308}:
            return Unavailable(f"{self.what}: it redirects elsewhere (HTTP {status})", "give the final URL")
        if status == 200:
            return Unavailable(
                f"{self.what}: the answer is no {self._kind} JSON",
                "check the address and its path (Mimir: /prometheus), and that nothing cuts answers off",
            )
        return Unavailable(
            f"{self.what}: no query API there (HTTP {status})",
            "check the address and its path, as in http://host:9090 or https://host/prometheus",
        )

    def _get(self, path: str) -> tuple[int, bytes]:
        until = min(time.monotonic() + self._question_s, self._until)
        connection = self._connection(max(0.1, until - time.monotonic()))
        watch: threading.Timer | None = None
        try:
            connection.connect()
            # The socket's time-out bounds each piece; only a watch bounds a server that sends drop by drop.
            watch = threading.Timer(max(0.1, until - time.monotonic()), _cut, (connection.sock,))
            watch.daemon = True
            watch.start()
            connection.request("GET", path, headers=self._signed(path))
            answer = connection.getresponse()
            body = self._body(answer)
            if time.monotonic() >= until:
                raise self._timeout()
            return answer.status, body
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, TimeoutError) or time.monotonic() >= until:
                raise self._timeout() from error
            if isinstance(error, ssl.SSLError):
                raise Unavailable(
                    f"{self.what}: TLS failed ({brief(str(error))})",
                    "check https and the certificate",
                ) from error
            raise Unavailable(
                f"{self.what}: no connection ({brief(str(error)) or type(error).__name__})",
                "check that it runs and that this machine can reach it",
            ) from error
        finally:
            if watch is not None:
                watch.cancel()
            connection.close()

    def _signed(self, path: str) -> dict[str, str]:
        """The headers; signed for Amazon Managed Prometheus, or where the login says so, unless the user signs."""
        headers = {**self._headers, **self._login.all_headers()}  # the user's own always win
        region = self._login.region or prom_sigv4.region(self._url.hostname or "")
        if not region or any(name.lower() == "authorization" for name in headers):
            return headers
        keys = prom_irsa.keys(region, self._login.role)
        if keys is None:
            return headers
        host = self._url.netloc.rpartition("@")[2]
        return {**headers, **prom_sigv4.signed(f"https://{host}{path}", keys, region, time.time())}

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        connection = self._connections.fresh()
        connection.timeout = timeout_s
        return connection

    def _body(self, answer: http.client.HTTPResponse) -> bytes:
        body = answer.read(MAX_BYTES + 1)
        if answer.getheader("Content-Encoding", "").strip().lower() == "gzip":  # though nobody asked for it
            try:
                body = zlib.decompressobj(wbits=31).decompress(body, MAX_BYTES + 1)
            except zlib.error as error:
                raise self.no_answer(200) from error
        if len(body) > MAX_BYTES:
            raise Unavailable(
                f"{self.what}: the answer exceeds {MAX_BYTES >> 20} MiB",
                "give the service and path, or a shorter time",
            )
        return body

    def _timeout(self) -> Unavailable:
        return Unavailable(
            f"{self.what}: no answer in time ({self._question_s:.0f} s)",
            "try again, ask for a shorter time, or a server with less load",
        )


def _split(base_url: str, kind: str) -> SplitResult:
    try:
        url = urlsplit(base_url)
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or any(ord(char) < 33 or ord(char) > 126 for char in base_url):
        raise BadUsage(f"the {kind} address is no http(s) URL", "give one such as http://127.0.0.1:9090")
    return url


def _cut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):  # already closed: the answer came at the last moment
        connected.shutdown(socket.SHUT_RDWR)


def brief(text: str) -> str:
    """One line of at most 200 characters."""
    return " ".join(text.split())[:200]
