"""The Prometheus HTTP API (Thanos, Mimir and VictoriaMetrics too): one GET for each question, bounded in time and size."""

from __future__ import annotations

import base64
import contextlib
import http.client
import math
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

import msgspec

from unslow.collect import prom_irsa, prom_sigv4
from unslow.collect.prom_login import Login
from unslow.errors import BadInput, BadUsage, Unavailable
from unslow.kube.connection import Connections

DEADLINE_S = 10.0
"""For one question."""
TOTAL_S = 20.0
"""For all questions of one `Api` together."""
MAX_BYTES = 16 * 2**20
"""A range of 1,000 points is 40 KiB; far more means the wrong query."""


class Result(msgspec.Struct):
    """One series of an answer: `value` of an instant query, `values` of a range query."""

    metric: dict[str, str] = {}
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []
    histograms: list[tuple[float, msgspec.Raw]] = []
    """Of a native histogram; what is in it is left to the server's functions."""


class Data(msgspec.Struct, rename="camel"):
    result_type: str = ""
    result: list[Result] = []


class Answer(msgspec.Struct, rename="camel"):
    status: str
    data: Data | None = None
    error: str = ""
    error_type: str = ""
    warnings: list[str] | None = None
    is_partial: bool | None = None
    """VictoriaMetrics' word for an answer that lacks some of its storage nodes."""


class _Rules(msgspec.Struct):
    status: str
    data: dict[str, Any] = {}


_decode_answer = msgspec.json.Decoder(Answer).decode


class Api:
    """A server and how to speak to it. Redirects are not followed: they would carry credentials elsewhere."""

    def __init__(self, base_url: str, login: Login = Login()) -> None:  # noqa: B008 - it is frozen
        self._url = _split(base_url)
        self._login = login
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "unslow"}
        if self._url.username is not None:
            secret = f"{unquote(self._url.username)}:{unquote(self._url.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
        self.warnings: list[str] = []
        self._until = time.monotonic() + TOTAL_S
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
        host = self._url.hostname or ""
        host = f"[{host}]" if ":" in host else host
        port = f":{self._url.port}" if self._url.port else ""
        return f"{self._url.scheme}://{host}{port}{self._url.path.rstrip('/')}"

    def instant(self, query: str, at_s: float) -> Sequence[Result]:
        """Series at one instant. Unavailable when there is no usable answer."""
        return self._ask("query", {"query": query, "time": f"{at_s:.3f}"})

    def range(self, query: str, start_s: float, end_s: float, step_s: float) -> Sequence[Result]:
        """Series over time; both ends included. Unavailable when there is no usable answer."""
        return self._ask(
            "query_range",
            {"query": query, "start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:.3f}"},
        )

    def rules(self) -> dict[str, Any]:
        """The `data` of the alert rules that the server evaluates. Unavailable when there is no usable answer."""
        status, body = self._get(f"{self._url.path.rstrip('/')}/api/v1/rules?type=alert")
        try:
            answer = msgspec.json.decode(body, type=_Rules)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise self._no_answer(status) from error
        if answer.status != "success" or status != 200:
            raise self._no_answer(status)
        return answer.data

    def _ask(self, what: str, parameters: Mapping[str, str]) -> Sequence[Result]:
        path = f"{self._url.path.rstrip('/')}/api/v1/{what}?{urlencode(parameters, quote_via=quote)}"
        status, body = self._get(path)
        answer = self._answer(status, body, parameters["query"])
        for warning in answer.warnings or ():
            self._warn(warning)
        if answer.is_partial:
            self._warn("the answer is partial")
        return answer.data.result if answer.data else []

    def _warn(self, text: str) -> None:
        line = " ".join(text.split())[:200]
        if line not in self.warnings and len(self.warnings) < 10:
            self.warnings.append(line)

    def _answer(self, status: int, body: bytes, query: str) -> Answer:
        try:
            answer = _decode_answer(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise self._no_answer(status) from error
        if answer.status == "success" and status == 200:
            return answer
        if answer.error_type in {"timeout", "canceled", "unavailable"} or status in {502, 503, 504}:
            raise Unavailable(
                f"Prometheus at {self.name}: it gave up ({_brief(answer.error) or status})",
                "try again, or a server with less load",
            )
        if status in {401, 403}:
            raise self._no_answer(status)
        raise Unavailable(
            f"Prometheus at {self.name}: it refused {query[:200]!r} ({_brief(answer.error) or status})",
            "check that the server speaks PromQL, and name the metric yourself",
        )

    def _no_answer(self, status: int) -> Unavailable:
        if status in {401, 403}:
            return Unavailable(
                f"Prometheus at {self.name}: not allowed in (HTTP {status})",
                "give credentials: user:password@ in the URL, or a header (Authorization, X-Scope-OrgID)",
            )
        if status == 429:
            return Unavailable(f"Prometheus at {self.name}: too many queries (HTTP 429)", "try again later")
        if status >= 500:
            return Unavailable(f"Prometheus at {self.name}: it fails (HTTP {status})", "look at the server's own log")
        if status in {301, 302, 303, 307, 308}:
            return Unavailable(
                f"Prometheus at {self.name}: it redirects elsewhere (HTTP {status})", "give the final URL"
            )
        if status == 200:
            return Unavailable(
                f"Prometheus at {self.name}: the answer is no Prometheus JSON",
                "check the address and its path (Mimir: /prometheus), and that nothing cuts answers off",
            )
        return Unavailable(
            f"Prometheus at {self.name}: no query API there (HTTP {status})",
            "check the address and its path, as in http://host:9090 or https://host/prometheus",
        )

    def _get(self, path: str) -> tuple[int, bytes]:
        until = min(time.monotonic() + DEADLINE_S, self._until)
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
                    f"Prometheus at {self.name}: TLS failed ({_brief(str(error))})",
                    "check https and the certificate",
                ) from error
            raise Unavailable(
                f"Prometheus at {self.name}: no connection ({_brief(str(error)) or type(error).__name__})",
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
                raise self._no_answer(200) from error
        if len(body) > MAX_BYTES:
            raise Unavailable(
                f"Prometheus at {self.name}: the answer exceeds {MAX_BYTES >> 20} MiB",
                "give the service and path, or a shorter time",
            )
        return body

    def _timeout(self) -> Unavailable:
        return Unavailable(
            f"Prometheus at {self.name}: no answer in time ({DEADLINE_S:.0f} s)",
            "try again, ask for a shorter time, or a server with less load",
        )


def _split(base_url: str) -> SplitResult:
    try:
        url = urlsplit(base_url)
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or any(ord(char) < 33 or ord(char) > 126 for char in base_url):
        raise BadUsage("the Prometheus address is no http(s) URL", "give one such as http://127.0.0.1:9090")
    return url


def _cut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):  # already closed: the answer came at the last moment
        connected.shutdown(socket.SHUT_RDWR)


def _brief(text: str) -> str:
    return " ".join(text.split())[:200]


def number(text: str) -> float | None:
    """A sample's value; None for NaN and infinity (0/0: nothing completed). BadInput when it is none."""
    try:
        value = float(text)
    except ValueError as error:
        raise BadInput(f"{text[:40]!r} is no sample value") from error
    return value if math.isfinite(value) else None
