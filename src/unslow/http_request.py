"""A URL and headers as one HTTP/1.1 request: for the timed requests, the load test and the metrics page."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from unslow import __version__
from unslow.errors import BadUsage

if TYPE_CHECKING:
    import ssl

_PATH_SAFE = "/%:@!$&'()*+,;=~-._?"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST = re.compile(r"[\w.:%~-]+", re.ASCII)
_LINE_BREAK = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Where to connect, and what to send there. Credentials are in `headers` only, never in `url`."""

    url: str
    """Without user and password."""
    secure: bool
    host: str
    """Name or address, without brackets."""
    port: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def is_literal(self) -> bool:
        """Whether the host is an address, so that no name is looked up."""
        try:
            ip_address(self.host.partition("%")[0])
        except ValueError:
            return False
        return True

    @property
    def is_loopback(self) -> bool:
        if self.is_literal:
            return ip_address(self.host.partition("%")[0]).is_loopback
        return self.host == "localhost" or self.host.endswith(".localhost")

    def encoded(self) -> bytes:
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


def http_request(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    product: str = "unslow",
) -> HttpRequest:
    """Read a URL and headers; the headers given win over our own.

    Raises `BadUsage` for what is no http or https URL, or would break the request line or a header.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
        host = host if host.isascii() else host.encode("idna").decode()
    except ValueError:
        # Not with the reason: it may quote a piece of a password.
        raise BadUsage("the host or port of the URL cannot be read", "for example http://127.0.0.1:8000/") from None
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(host):
        raise BadUsage("only http:// and https:// URLs with a host can be asked", "for example http://127.0.0.1:8000/")
    secure = parts.scheme == "https"
    named = f"[{host}]" if ":" in host else host
    if port is not None:
        named += f":{port}"
    target = quote(parts.path or "/", safe=_PATH_SAFE) + (
        f"?{quote(parts.query, safe=_PATH_SAFE)}" if parts.query else ""
    )
    ours = {"Host": named, "User-Agent": f"{product}/{__version__}", "Accept": "*/*"}
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        ours["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
    if body or method in {"POST", "PUT", "PATCH"}:
        ours["Content-Length"] = str(len(body))
    return HttpRequest(
        url=f"{parts.scheme}://{named}{target}",
        secure=secure,
        host=host,
        port=port or (443 if secure else 80),
        method=_checked(method, "method"),
        path=target,
        headers=_merged(ours, headers or {}),
        body=body,
    )


def tls_context(request: HttpRequest) -> ssl.SSLContext:
    """Certificates are checked, except on loopback, where nobody can stand in between and few are signed."""
    import ssl

    context = ssl.create_default_context()
    if request.is_loopback:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _merged(ours: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    theirs = {_checked(name, "header name"): value for name, value in given.items()}
    for name, value in theirs.items():
        if _LINE_BREAK.search(value) or not _is_latin(value):
            raise BadUsage(
                f"header {name} holds a line break or a character that HTTP cannot carry",
                "write it on one line",
            )
    lowered = {name.lower() for name in theirs}
    return {name: value for name, value in ours.items() if name.lower() not in lowered} | theirs


def _checked(token: str, what: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise BadUsage(f"{token!r} is no {what}", "use letters, digits and hyphens")
    return token


def _is_latin(value: str) -> bool:
    return all(ord(character) < 256 for character in value)
