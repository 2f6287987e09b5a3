"""How to speak to a server of metrics or logs: headers, certificates and signatures, as in Prometheus' own client file.

The file is the one that `promtool --http.config.file` takes; relative paths start from its folder.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from pathlib import Path

import msgspec

from unslow.errors import BadInput


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """Empty: nothing but what the URL itself says."""

    headers: dict[str, str] = {}
    token_file: Path | None = None
    """Read for every request: tokens are rotated."""
    tls: ssl.SSLContext | None = None
    """None: the machine's own authorities, no client certificate."""
    server_name: str = ""
    proxy: str | None = None
    region: str = ""
    """Of AWS; signs every request. Empty: only for hosts of Amazon Managed Prometheus."""
    role: str = ""
    """ARN of an AWS role to take on by web identity, instead of the environment's."""
    service: str = ""
    """What messages call the server, where its address is only our own way to it."""

    def all_headers(self) -> dict[str, str]:
        """Raises BadInput when the token's file cannot be read."""
        if self.token_file is None:
            return self.headers
        return {**self.headers, "Authorization": f"Bearer {_secret(self.token_file)}"}

    def with_headers(self, more: Mapping[str, str]) -> Login:
        return msgspec.structs.replace(self, headers={**self.headers, **more}) if more else self


def of(config: Path | None, headers: Mapping[str, str]) -> Login:
    """Of a file, of headers, or of both: the headers win. Raises BadInput."""
    return (read(config) if config else Login()).with_headers(headers)


class _Basic(msgspec.Struct, forbid_unknown_fields=True):
    username: str = ""
    password: str = ""
    password_file: str = ""


class _Authorization(msgspec.Struct, forbid_unknown_fields=True):
    type: str = "Bearer"
    credentials: str = ""
    credentials_file: str = ""


class _Tls(msgspec.Struct, forbid_unknown_fields=True):
    ca_file: str = ""
    ca: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    insecure_skip_verify: bool = False
    min_version: str = ""


class _SigV4(msgspec.Struct, forbid_unknown_fields=True):
    region: str = ""
    role_arn: str = ""


class _Header(msgspec.Struct):
    values: list[str] = []
    secrets: list[str] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """A field that is not carried out is refused: it may be the one that keeps somebody out."""

    basic_auth: _Basic | None = None
    authorization: _Authorization | None = None
    bearer_token: str = ""
    bearer_token_file: str = ""
    tls_config: _Tls | None = None
    proxy_url: str = ""
    sigv4: _SigV4 | None = None
    headers: dict[str, str] = {}
    http_headers: dict[str, _Header] = {}
    follow_redirects: bool = False
    enable_http2: bool = False


def read(path: Path) -> Login:
    """Raises BadInput, which quotes no secret."""
    import yaml

    try:
        found = msgspec.convert(yaml.safe_load(path.read_bytes()) or {}, _File)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        what = str(error) if isinstance(error, msgspec.ValidationError) else f"cannot be read ({type(error).__name__})"
        raise BadInput(f"{path}: {what[:200]}", "write it as Prometheus' HTTP client file: tls_config, ...") from None
    folder = path.parent
    headers = dict(found.headers)
    for name, header in found.http_headers.items():
        headers[name] = ", ".join((*header.values, *header.secrets))
    token_file = found.bearer_token_file
    if found.bearer_token:
        headers["Authorization"] = f"Bearer {found.bearer_token}"
    if found.basic_auth:
        basic = found.basic_auth
        secret = basic.password or (_secret(folder / basic.password_file) if basic.password_file else "")
        headers["Authorization"] = "Basic " + base64.b64encode(f"{basic.username}:{secret}".encode()).decode()
    if found.authorization:
        given = found.authorization
        if given.credentials_file and given.type == "Bearer":
            token_file = given.credentials_file
        else:
            secret = given.credentials or (_secret(folder / given.credentials_file) if given.credentials_file else "")
            headers["Authorization"] = f"{given.type} {secret}"
    tls = found.tls_config
    return Login(
        headers=headers,
        token_file=folder / token_file if token_file else None,
        tls=_context(tls, folder) if tls else None,
        server_name=tls.server_name if tls else "",
        proxy=found.proxy_url or None,
        region=found.sigv4.region if found.sigv4 else "",
        role=found.sigv4.role_arn if found.sigv4 else "",
    )


def _context(tls: _Tls, folder: Path) -> ssl.SSLContext:
    authority = str(folder / tls.ca_file) if tls.ca_file else None
    try:
        context = ssl.create_default_context(cafile=authority, cadata=tls.ca or None)
        if tls.cert_file:
            context.load_cert_chain(folder / tls.cert_file, folder / tls.key_file if tls.key_file else None)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise BadInput(
            f"a certificate or key of tls_config cannot be used ({type(error).__name__})",
            "check ca_file, cert_file and key_file: PEM, and fitting together",
        ) from None
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _secret(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read ({type(error).__name__})", "it holds a token or a password") from None
