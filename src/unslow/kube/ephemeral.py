"""Debug containers in running pods. One cannot be removed: it ends by itself, and what stays of it is told.

Whether it would be admitted is asked by a dry run first: a refusal leaves no trace.
"""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Callable, Mapping

import msgspec

from unslow.errors import Unavailable
from unslow.kube import core
from unslow.kube.client import STRATEGIC, Client
from unslow.kube.errors import ApiError
from unslow.kube.logs import log_lines

START_S = 60.0
POLL_S = 0.3
_STUCK = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerError")
_PREFIX = "unslow"

DEFAULT_ROOT = {"runAsUser": 0, "runAsNonRoot": False}
"""With the runtime's default capabilities, NET_RAW among them."""
NOBODY = {
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Without any capability: restricted Pod Security accepts it."""


def fresh_name(what: str) -> str:
    """An ephemeral container's name can never be used again in its pod."""
    return f"{_PREFIX}-{what}-{secrets.token_hex(3)}"


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """Its command must end by itself."""

    name: str
    image: str
    command: tuple[str, ...]
    security: Mapping[str, object] = msgspec.field(default_factory=lambda: NOBODY)
    target: str = ""
    """The container whose processes it sees; empty: none."""
    instead: str = "label the namespace with a lower level"
    """What to do where Pod Security forbids it."""

    def spec(self) -> dict[str, object]:
        target = {"targetContainerName": self.target} if self.target else {}
        return {
            "name": self.name,
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": list(self.command),
            "securityContext": self.security,
            **target,
        }

    def command_for_a_person(self, namespace: str, pod: str) -> str:
        """By kubectl, with the profile that comes closest."""
        profile = "restricted" if self.security == NOBODY else "netadmin"
        words = shlex.join(self.command)
        return f"kubectl debug -n {namespace} {pod} --profile={profile} --image={self.image} -- {words}"


def need_admission(client: Client, namespace: str, pod: str, container: Container) -> None:
    """Raises `Unavailable` with the right or the level that forbids it, `ApiError` for what is neither."""
    try:
        _patch(client, namespace, pod, container, dry_run=True)
    except ApiError as error:
        if error.code != 403:
            raise
        raise _explained(error, namespace, container) from error


def add(client: Client, namespace: str, pod: str, container: Container) -> None:
    """After a dry run. Raises as `need_admission`."""
    need_admission(client, namespace, pod, container)
    _patch(client, namespace, pod, container, dry_run=False)


def started(client: Client, namespace: str, pod: str, name: str, seconds: float = START_S) -> None:
    """Until it runs, or has run. Raises `Unavailable` when its image is not there."""
    _until(client, namespace, pod, name, min(seconds, START_S), lambda at: bool(at.running or at.terminated), "start")


def need_running(client: Client, namespace: str, pod: str, name: str) -> None:
    """Raises `Unavailable` when it ended at once."""
    if state(client, namespace, pod, name).terminated:
        raise Unavailable(f"the debug container {name}: it ended at once", "give an image with Python 3.11")


def finished(client: Client, namespace: str, pod: str, name: str, seconds: float) -> str:
    """Its output, when it has ended."""
    _until(client, namespace, pod, name, seconds, lambda at: at.terminated is not None, "end")
    return output(client, namespace, pod, name)


def output(client: Client, namespace: str, pod: str, name: str) -> str:
    """What it wrote so far."""
    return "\n".join(line.text for line in log_lines(client, namespace, pod, name))


def state(client: Client, namespace: str, pod: str, name: str) -> core.State:
    """Empty while the kubelet has not seen it."""
    found = _status(client, namespace, pod, name)
    return found.state if found else core.State()


def left_behind(client: Client, namespace: str, pod: str, container: Container) -> str:
    """What stays of it, in a sentence."""
    found = _status(client, namespace, pod, container.name)
    pin = "" if "@sha256:" in container.image else "; pin it: --debug-image NAME@sha256:DIGEST"
    ran = f"; it ran {found.image_id}{pin}" if found and found.image_id else ""
    return f"ephemeral container {container.name} in {pod}: ends by itself, listed until the pod goes{ran}"


def _patch(client: Client, namespace: str, pod: str, container: Container, *, dry_run: bool) -> None:
    client.patch(
        f"/api/v1/namespaces/{namespace}/pods/{pod}/ephemeralcontainers",
        {"spec": {"ephemeralContainers": [container.spec()]}},
        core.Pod,
        kind=STRATEGIC,
        dry_run=dry_run,
        asked=f"patch pods/ephemeralcontainers in namespace {namespace}",
    )


def _status(client: Client, namespace: str, pod: str, name: str) -> core.ContainerStatus | None:
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
    status = client.get(path, core.Pod, asked=f"get pods in namespace {namespace}").status
    return next((one for one in status.ephemeral_container_statuses or () if one.name == name), None)


def _explained(error: ApiError, namespace: str, container: Container) -> Unavailable:
    if "PodSecurity" in error.message:
        level = "restricted" if "restricted:" in error.message else "baseline"
        return Unavailable(
            f"a debug container: Pod Security level {level} of namespace {namespace} forbids it",
            f"{container.instead}; that of the namespace is {level}",
        )
    return Unavailable(
        f"permission to patch pods/ephemeralcontainers in namespace {namespace}",
        f"kubectl apply -n {namespace} -f deploy/rbac/probe.yaml, and use that identity",
    )


def _until(
    client: Client,
    namespace: str,
    pod: str,
    name: str,
    seconds: float,
    reached: Callable[[core.State], bool],
    what: str,
) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        at = state(client, namespace, pod, name)
        if reached(at):
            return
        if at.waiting is not None and at.waiting.reason in _STUCK:
            raise Unavailable(
                f"the debug image ({at.waiting.reason})",
                "push one with Python 3.11 where the nodes can pull it: --debug-image",
            )
        time.sleep(POLL_S)
    raise Unavailable(
        f"the {what} of the debug container {name} within {seconds:.0f} s", "look at the pod's events, or --budget 1m"
    )
