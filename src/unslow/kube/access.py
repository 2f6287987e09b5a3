"""Who we are and what we may do, asked before anything is tried."""

from __future__ import annotations

import msgspec

from unslow.kube.client import Client


class Permission(msgspec.Struct, frozen=True):
    """One verb on one resource; a subresource is a field of its own (`pods/exec` as a resource is always refused)."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    namespace: str = ""
    """Empty: in all namespaces, or of a resource that has none."""

    def __str__(self) -> str:
        full = "/".join(part for part in (self.resource, self.subresource) if part)
        where = f" in namespace {self.namespace}" if self.namespace else " in the whole cluster"
        return f"{self.verb} {full}{'.' + self.group if self.group else ''}{where}"


class Identity(msgspec.Struct, frozen=True):
    username: str = ""
    groups: tuple[str, ...] | None = None
    uid: str = ""


class _UserInfo(msgspec.Struct, frozen=True, rename="camel"):
    user_info: Identity = Identity()


class _SelfReview(msgspec.Struct, frozen=True):
    status: _UserInfo = _UserInfo()


class _Allowed(msgspec.Struct, frozen=True):
    allowed: bool = False
    reason: str = ""


class _AccessReview(msgspec.Struct, frozen=True):
    status: _Allowed = _Allowed()


def who_am_i(client: Client) -> Identity:
    """As the API server sees us, after impersonation. Raises `ApiError`, `Unreachable`."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    return client.post(path, body, _SelfReview, asked="ask who we are").status.user_info


def may(client: Client, permission: Permission) -> bool:
    """Whether the API server would allow it; nothing is changed by asking."""
    attributes = {key: value for key, value in msgspec.structs.asdict(permission).items() if value}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    return client.post(path, body, _AccessReview, asked=f"ask whether we may {permission}").status.allowed


def may_exec(client: Client, namespace: str) -> bool:
    """Exec over a WebSocket is a GET: either verb opens the door, depending on the server's version."""
    return any(
        may(client, Permission(verb, "pods", subresource="exec", namespace=namespace)) for verb in ("create", "get")
    )
