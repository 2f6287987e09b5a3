"""Who asks: bearer tokens, token files that are rotated, and exec plugins such as `aws eks get-token`."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from base64 import b64encode
from datetime import datetime

import msgspec

from unslow.errors import CannotLook
from unslow.kube.config import Access, ExecPlugin

_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_PLUGIN_S = 60.0
"""A plugin may wait for a person to log in with a browser."""
_EARLY_S = 30.0
"""A token is renewed this long before it ends."""


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    token: str = ""
    expiration_timestamp: datetime | None = None
    client_certificate_data: str = ""
    client_key_data: str = ""


class _Credential(msgspec.Struct, frozen=True):
    status: _Status


class Plugin:
    """One exec plugin and what it printed last."""

    def __init__(self, plugin: ExecPlugin, access: Access) -> None:
        if plugin.api_version not in _VERSIONS:
            raise CannotLook(
                f"the kubeconfig's login command speaks {plugin.api_version}", f"configure it for {_VERSIONS[0]}"
            )
        self._plugin = plugin
        self._access = access
        self._status: _Status | None = None
        self._lock = threading.Lock()

    def status(self, *, renew: bool = False) -> _Status:
        """Asks the command only when nothing valid is known. Raises `CannotLook` when it fails."""
        with self._lock:
            if self._status is None or renew or _ended(self._status):
                self._status = self._ask()
            return self._status

    def _ask(self) -> _Status:
        plugin = self._plugin
        info: dict[str, object] = {"interactive": False}
        if plugin.provide_cluster_info:
            info["cluster"] = _cluster_info(self._access)
        question = {"kind": "ExecCredential", "apiVersion": plugin.api_version, "spec": info}
        environment = {**os.environ, **{variable.name: variable.value for variable in plugin.env or ()}}
        environment["KUBERNETES_EXEC_INFO"] = msgspec.json.encode(question).decode()
        try:
            ran = subprocess.run(
                [plugin.command, *(plugin.args or ())],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PLUGIN_S,
                check=False,
            )
        except FileNotFoundError:
            raise CannotLook(
                f"the kubeconfig's login command {plugin.command!r} is not installed", plugin.install_hint
            ) from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CannotLook(f"the login command {plugin.command!r} failed: {error}", "run it by hand") from None
        if ran.returncode:
            said = ran.stderr.decode(errors="replace").strip().splitlines()
            raise CannotLook(f"the login command {plugin.command!r} failed: {(said or ['no message'])[-1][:200]}")
        try:
            return msgspec.json.decode(ran.stdout, type=_Credential).status
        except msgspec.DecodeError:
            raise CannotLook(f"the login command {plugin.command!r} printed no ExecCredential") from None


def _cluster_info(access: Access) -> dict[str, object]:
    """What `provideClusterInfo` promises the command; absent where the kubeconfig says nothing."""
    info: dict[str, object] = {
        "server": access.server,
        "tls-server-name": access.server_name,
        "insecure-skip-tls-verify": access.insecure,
        "certificate-authority-data": b64encode(access.authority or b"").decode(),
        "proxy-url": access.proxy,
        "config": access.plugin_config,
    }
    return {key: value for key, value in info.items() if value}


def _ended(status: _Status) -> bool:
    ends = status.expiration_timestamp
    return ends is not None and ends.timestamp() - time.time() < _EARLY_S


class Authorization:
    """The value of the header of that name: a password, or a token from the kubeconfig, a file or a plugin."""

    def __init__(self, access: Access, plugin: Plugin | None) -> None:
        self._access = access
        self._plugin = plugin

    @property
    def renewable(self) -> bool:
        return self._plugin is not None or self._access.token_file is not None

    def header(self, *, renew: bool = False) -> str:
        """Empty where the client certificate alone tells who asks. Raises `CannotLook` when a plugin fails."""
        if self._access.password:
            return f"Basic {b64encode(':'.join(self._access.password).encode()).decode()}"
        token = self._token(renew=renew)
        return f"Bearer {token}" if token else ""

    def _token(self, *, renew: bool) -> str:
        if self._plugin:
            return self._plugin.status(renew=renew).token
        if self._access.token_file:
            return self._access.token_file.read_text().strip()
        return self._access.token
