"""Where the API server is and who asks: kubeconfig files as kubectl reads them, or the pod's own service account.

The files of `KUBECONFIG=a:b` are merged, the first to name something wins. Impersonation in a
kubeconfig (`as:`) is carried out: running such a file as the full user would be a silent escalation.
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import msgspec

from unslow.errors import BadInput, BadUsage, CannotLook

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


EXEC_EXTENSION = "client.authentication.k8s.io/exec"
"""The extension of a cluster that its login command is given."""


class ExecVariable(msgspec.Struct, frozen=True):
    name: str
    value: str


class ExecPlugin(msgspec.Struct, frozen=True, rename="camel"):
    """A command that prints credentials, as `aws eks get-token` does."""

    command: str
    api_version: str = "client.authentication.k8s.io/v1"
    args: tuple[str, ...] | None = None
    env: tuple[ExecVariable, ...] | None = None
    install_hint: str = ""
    provide_cluster_info: bool = False


class Impersonation(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the requests are made as; empty: the user itself."""

    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Several groups are several headers of one name."""
        pairs = [("Impersonate-User", self.user)] if self.user else []
        pairs += [("Impersonate-Group", group) for group in self.groups]
        if self.uid:
            pairs.append(("Impersonate-Uid", self.uid))
        return pairs + [(f"Impersonate-Extra-{key}", value) for key, value in self.extra]


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """One way to one API server."""

    server: str
    namespace: str = "default"
    context: str = ""
    authority: bytes | None = None
    """PEM of the certificate authority."""
    certificate: bytes | None = None
    key: bytes | None = None
    insecure: bool = False
    server_name: str = ""
    proxy: str | None = None
    token: str = ""
    token_file: Path | None = None
    """Read again when the server refuses it: tokens are rotated."""
    password: tuple[str, str] | None = None
    plugin: ExecPlugin | None = None
    plugin_config: Any = None
    """What the kubeconfig's cluster says to the plugin."""
    impersonate: Impersonation = Impersonation()


class _Extension(msgspec.Struct, frozen=True):
    name: str = ""
    extension: Any = None


class _Cluster(msgspec.Struct, frozen=True, rename="kebab"):
    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    extensions: tuple[_Extension, ...] | None = None


class _User(msgspec.Struct, frozen=True, rename="kebab"):
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    as_: str = msgspec.field(default="", name="as")
    as_uid: str = ""
    as_groups: tuple[str, ...] | None = None
    as_user_extra: dict[str, tuple[str, ...]] | None = None
    exec_: ExecPlugin | None = msgspec.field(default=None, name="exec")
    auth_provider: dict[str, object] | None = None


class _Context(msgspec.Struct, frozen=True):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _NamedCluster(msgspec.Struct, frozen=True):
    name: str
    cluster: _Cluster | None = None


class _NamedUser(msgspec.Struct, frozen=True):
    name: str
    user: _User | None = None


class _NamedContext(msgspec.Struct, frozen=True):
    name: str
    context: _Context | None = None


class _File(msgspec.Struct, frozen=True, rename="kebab"):
    current_context: str | None = None
    clusters: tuple[_NamedCluster, ...] | None = None
    users: tuple[_NamedUser, ...] | None = None
    contexts: tuple[_NamedContext, ...] | None = None


class _Merged:
    """All files together; each entry remembers the folder that its relative paths start from."""

    def __init__(self, paths: list[Path]) -> None:
        self.current = ""
        self.clusters: dict[str, tuple[_Cluster, Path]] = {}
        self.users: dict[str, tuple[_User, Path]] = {}
        self.contexts: dict[str, _Context] = {}
        for path in paths:
            file, folder = _read(path), path.parent
            self.current = self.current or file.current_context or ""
            for cluster in file.clusters or ():
                self.clusters.setdefault(cluster.name, (cluster.cluster or _Cluster(), folder))
            for user in file.users or ():
                self.users.setdefault(user.name, (user.user or _User(), folder))
            for context in file.contexts or ():
                self.contexts.setdefault(context.name, context.context or _Context())


def load(
    kubeconfig: Path | None = None,
    context: str = "",
    namespace: str = "",
    as_user: str = "",
    as_groups: tuple[str, ...] = (),
    *,
    as_uid: str = "",
    cluster: str = "",
    user: str = "",
) -> Access:
    """The way to the API server, chosen as kubectl does: flag, `$KUBECONFIG`, `~/.kube/config`, else the pod's own.

    `cluster` and `user` replace those of the context. Raises `CannotLook` when there is no way, `BadInput` for a
    damaged file, `BadUsage` for a name that is not in it.
    """
    if (as_groups or as_uid) and not as_user:
        raise BadUsage("--as-group and --as-uid need --as", "name the user too: --as USER --as-group GROUP")
    paths = _paths(kubeconfig)
    if not paths and (context or cluster or user):
        raise BadUsage(
            "--context, --cluster and --user choose from a kubeconfig, and there is none", "--kubeconfig FILE"
        )
    access = _of_files(_Merged(paths), paths, context, cluster, user) if paths else _of_service_account()
    if as_user:
        impersonate = Impersonation(user=as_user, groups=as_groups, uid=as_uid)
        access = msgspec.structs.replace(access, impersonate=impersonate)
    if namespace:
        access = msgspec.structs.replace(access, namespace=namespace)
    return access


def names(kubeconfig: Path | None = None) -> dict[str, tuple[str, ...]]:
    """Names of the contexts, clusters and users, by these words, for shell completion."""
    merged = _Merged(_paths(kubeconfig))
    return {"context": tuple(merged.contexts), "cluster": tuple(merged.clusters), "user": tuple(merged.users)}


def _paths(kubeconfig: Path | None) -> list[Path]:
    if kubeconfig is not None:
        if not kubeconfig.expanduser().is_file():
            raise BadUsage(f"no kubeconfig at {kubeconfig}", "check --kubeconfig")
        return [kubeconfig.expanduser()]
    listed = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    if not listed:
        listed = [Path.home() / ".kube" / "config"]
    return [path for path in listed if path.is_file()]


def _read(path: Path) -> _File:
    import yaml

    # libyaml where it was built: ten times faster; both refuse to make objects.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return msgspec.convert(yaml.load(path.read_bytes(), Loader=loader) or {}, _File, strict=False)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        # The parser quotes the file, which holds secrets: only the place is told.
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else str(error).partition(" - at ")[2] or type(error).__name__
        raise BadInput(f"kubeconfig {path} cannot be read ({where})", "`kubectl config view` shows the fault") from None


def _of_files(merged: _Merged, paths: list[Path], wanted: str, cluster_name: str, user_name: str) -> Access:
    for kind, one, known in (("cluster", cluster_name, merged.clusters), ("user", user_name, merged.users)):
        if one and one not in known:
            raise BadUsage(f"no {kind} {one!r} in {_names(paths)}", f"there are: {', '.join(known) or 'none'}")
    name = wanted or merged.current
    if not name and not cluster_name:
        raise BadUsage(f"{_names(paths)} has no current context", f"name one: --context {_any(merged.contexts)}")
    context = merged.contexts.get(name) if name else _Context()
    if context is None:
        raise BadUsage(f"no context {name!r} in {_names(paths)}", f"there are: {', '.join(merged.contexts) or 'none'}")
    context = _Context(
        cluster=cluster_name or context.cluster, user=user_name or context.user, namespace=context.namespace
    )
    if context.cluster not in merged.clusters:
        raise BadInput(f"context {name!r} names the cluster {context.cluster!r}, which is not in {_names(paths)}")
    if context.user and context.user not in merged.users:
        raise BadInput(f"context {name!r} names the user {context.user!r}, which is not in {_names(paths)}")
    cluster, cluster_folder = merged.clusters[context.cluster]
    user, folder = merged.users.get(context.user, (_User(), Path()))
    if user.auth_provider and not (user.exec_ or user.token or user.token_file):
        raise BadInput(
            f"user {context.user!r} logs in by auth-provider, which Kubernetes removed", "use an exec plugin"
        )
    return Access(
        server=_server(cluster, context.cluster),
        namespace=context.namespace or "default",
        context=name,
        authority=_bytes(cluster.certificate_authority_data, cluster.certificate_authority, cluster_folder),
        certificate=_bytes(user.client_certificate_data, user.client_certificate, folder),
        key=_bytes(user.client_key_data, user.client_key, folder),
        insecure=cluster.insecure_skip_tls_verify,
        server_name=cluster.tls_server_name,
        proxy=cluster.proxy_url or proxy_of(cluster.server),
        token=user.token,
        token_file=folder / user.token_file if user.token_file else None,
        password=(user.username, user.password) if user.username else None,
        plugin=_plugin(user, folder),
        plugin_config=next((one.extension for one in cluster.extensions or () if one.name == EXEC_EXTENSION), None),
        impersonate=Impersonation(
            user=user.as_,
            groups=user.as_groups or (),
            uid=user.as_uid,
            extra=tuple((key, value) for key, values in (user.as_user_extra or {}).items() for value in values),
        ),
    )


def _server(cluster: _Cluster, name: str) -> str:
    if not cluster.server.startswith(("https://", "http://")):
        raise BadInput(f"cluster {name!r} has no server address in the kubeconfig")
    return cluster.server.rstrip("/")


def _plugin(user: _User, folder: Path) -> ExecPlugin | None:
    """A command with a slash is relative to its kubeconfig; a bare one is looked up on PATH."""
    if user.exec_ is None or "/" not in user.exec_.command:
        return user.exec_
    return msgspec.structs.replace(user.exec_, command=str(folder / user.exec_.command))


def _bytes(data: str, file: str, folder: Path) -> bytes | None:
    try:
        if data:
            return base64.b64decode(data, validate=True)
        return (folder / file).read_bytes() if file else None
    except (binascii.Error, OSError):
        raise BadInput(f"a certificate or key of the kubeconfig cannot be read ({file or 'inline data'})") from None


def proxy_of(server: str) -> str | None:
    """The proxy that the environment asks for; never for a loopback address, as kubectl does."""
    parts = urlsplit(server)
    host = parts.hostname or ""
    if host == "localhost" or host == "::1" or host.startswith("127."):
        return None
    proxies = getproxies_environment()
    if proxy_bypass(host):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


def _of_service_account() -> Access:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    token = SERVICE_ACCOUNT / "token"
    if not host or not token.is_file():
        raise CannotLook(
            "no kubeconfig: neither --kubeconfig, $KUBECONFIG nor ~/.kube/config is there, and this is no pod",
            "log in to the cluster first, or name a file: --kubeconfig FILE",
        )
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return Access(
        server=server,
        namespace=(SERVICE_ACCOUNT / "namespace").read_text().strip() or "default",
        context="in-cluster",
        authority=(SERVICE_ACCOUNT / "ca.crt").read_bytes(),
        token_file=token,
        proxy=proxy_of(server),
    )


def _names(paths: list[Path]) -> str:
    return ":".join(str(path) for path in paths)


def _any(names: dict[str, _Context]) -> str:
    return "|".join(names) or "NAME"
