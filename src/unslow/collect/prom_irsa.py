"""AWS keys of a pod's own role: its service account's token, exchanged at STS (AssumeRoleWithWebIdentity)."""

from __future__ import annotations

import http.client
import os
import re
import ssl
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from html import unescape
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import msgspec

from unslow.collect.prom_sigv4 import Keys, from_environment
from unslow.errors import Unavailable

TIMEOUT_S = 5.0
MAX_BYTES = 64 * 1024
_EARLY_S = 60.0
"""Keys are renewed this long before they end."""
_TAG = r"<{0}>\s*([^<]+?)\s*</{0}>"


class _Kept(msgspec.Struct, frozen=True):
    keys: Keys
    until_s: float


_known: dict[tuple[str, str], _Kept] = {}
_lock = threading.Lock()


def keys(region: str, role: str = "") -> Keys | None:
    """The environment's keys, else those of its web identity; None where it has neither. Unavailable: STS refuses."""
    fixed = None if role else from_environment()
    token_file = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE", "")
    arn = role or os.environ.get("AWS_ROLE_ARN", "")
    if fixed is not None or not (token_file and arn):
        return fixed
    with _lock:
        kept = _known.get((arn, token_file))
        if kept is None or kept.until_s - time.time() < _EARLY_S:
            kept = _known[arn, token_file] = _assumed(arn, Path(token_file), region)
    return kept.keys


def _assumed(arn: str, token_file: Path, region: str) -> _Kept:
    try:
        token = token_file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(
            f"AWS keys: the web identity token {token_file} cannot be read ({type(error).__name__})",
            "check the service account's annotation eks.amazonaws.com/role-arn",
        ) from error
    asked = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": arn,
        "RoleSessionName": os.environ.get("AWS_ROLE_SESSION_NAME") or "unslow",
        "WebIdentityToken": token,
    }
    status, body = _posted(_endpoint(region), asked)
    if status != 200:
        said = _tag(body, "Code") or f"HTTP {status}"
        raise Unavailable(
            f"AWS keys: STS refuses the role {arn} ({said[:100]})",
            "check the role's trust policy: the cluster's OIDC provider and this service account",
        )
    found = {name: _tag(body, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")}
    try:
        until_s = datetime.fromisoformat(found["Expiration"]).timestamp()
    except ValueError:
        until_s = 0.0
    if not (found["AccessKeyId"] and found["SecretAccessKey"] and found["SessionToken"] and until_s):
        raise Unavailable("AWS keys: STS answered without credentials", "a proxy may have answered in its place")
    kept = Keys(access=found["AccessKeyId"], secret=found["SecretAccessKey"], token=found["SessionToken"])
    return _Kept(kept, until_s)


def _endpoint(region: str) -> str:
    """The region's own STS, as the SDKs do by default; `AWS_ENDPOINT_URL_STS` names another."""
    given = os.environ.get("AWS_ENDPOINT_URL_STS") or os.environ.get("AWS_ENDPOINT_URL")
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return given or f"https://sts.{region}.{domain}"


def _posted(endpoint: str, asked: Mapping[str, str]) -> tuple[int, str]:
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT_S, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT_S)
    )
    try:
        connection.request(
            "POST",
            parts.path or "/",
            urlencode(asked),
            {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/xml"},
        )
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_BYTES).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(
            f"AWS keys: STS at {host} does not answer ({type(error).__name__})",
            "check the way to it (a VPC endpoint, a NAT gateway), or AWS_ENDPOINT_URL_STS",
        ) from error
    finally:
        connection.close()


def _tag(body: str, name: str) -> str:
    """The text of the first element of that name; a whole parser would be more than these flat answers need."""
    found = re.search(_TAG.format(name), body)
    return unescape(found[1]) if found else ""
