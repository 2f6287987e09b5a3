"""AWS Signature Version 4 of a GET, for Amazon Managed Prometheus."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

_HOST = re.compile(r"aps-workspaces(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
EMPTY = hashlib.sha256(b"").hexdigest()


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """Credentials; `token` only for temporary ones."""

    access: str
    secret: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Keys(access={self.access[:4]}...)"


def region(host: str) -> str:
    """The region of a host of Amazon Managed Prometheus; empty for any other host."""
    found = _HOST.fullmatch(host.lower())
    return found[1] if found else ""


def from_environment() -> Keys | None:
    """The keys of the usual variables; None when they are not set."""
    access, secret = os.environ.get("AWS_ACCESS_KEY_ID", ""), os.environ.get("AWS_SECRET_ACCESS_KEY", "")
    if not access or not secret:
        return None
    return Keys(access=access, secret=secret, token=os.environ.get("AWS_SESSION_TOKEN", ""))


def signed(url: str, keys: Keys, region: str, at_s: float, service: str = "aps") -> Mapping[str, str]:
    """The headers that sign a GET of `url` (its query included) at Unix time `at_s`; they hold for five minutes."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at_s))
    parts = urlsplit(url)
    told = {"host": parts.netloc.rpartition("@")[2].lower(), "x-amz-date": stamp}
    if keys.token:
        told["x-amz-security-token"] = keys.token
    names = ";".join(sorted(told))
    pairs = sorted((_quoted(name), _quoted(value)) for name, value in parse_qsl(parts.query, keep_blank_values=True))
    request = "\n".join(
        (
            "GET",
            quote(parts.path or "/", safe="/-_.~"),  # the path is quoted once more than it was sent
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{told[name].strip()}" for name in sorted(told)),
            "",
            names,
            EMPTY,
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{keys.secret}".encode()
    for word in (stamp[:8], region, service, "aws4_request"):
        key = _mac(key, word)
    signature = _mac(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}").hex()
    sent = {name: value for name, value in told.items() if name != "host"}
    sent["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return sent


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~")


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
