"""A debug container in a running pod. It cannot be removed: it must end by itself, and it is listed afterwards."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable

import msgspec

from unslow.errors import Unavailable
from unslow.kube.client import STRATEGIC, Client
from unslow.kube.core import State
from unslow.kube.errors import ApiError
from unslow.kube.logs import log_lines

POLL_S = 0.4
START_S = 60.0
_BAD_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerError")


class Container(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    image: str
    command: tuple[str, ...]
    as_root: bool = False
    """With the runtime's default capabilities; else none at all, which restricted Pod Security accepts."""

    def spec(self) -> dict[str, object]:
        if self.as_root:
            security: dict[str, object] = {"runAsUser": 0, "runAsNonRoot": False}
        else:
            security = {
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "runAsNonRoot": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            }
        return {
            "name": self.name,
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": list(self.command),
            "securityContext": security,
        }

    def command_for_a_person(self, namespace: str, pod: str) -> str:
        profile = "netadmin" if self.as_root else "restricted"
        words = shlex.join(self.command)
        return f"kubectl debug -n {namespace} {pod} --profile={profile} --image={self.image} -- {words}"


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    image_id: str = msgspec.field(default="", name="imageID")
    state: State = State()


class _PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    ephemeral_container_statuses: tuple[_Status, ...] | None = None


class _Pod(msgspec.Struct, frozen=True):
    status: _PodStatus = _PodStatus()


def add(client: Client, namespace: str, pod: str, container: Container) -> None:
    """A dry run first: a refusal leaves no trace. Raises `Unavailable` with the setting that would allow it."""
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/ephemeralcontainers"
    body = {"spec": {"ephemeralContainers": [container.spec()]}}
    for dry_run in (True, False):
        try:
            client.patch(
                path,
                body,
                _Pod,
                kind=STRATEGIC,
                dry_run=dry_run,
                asked=f"patch pods/ephemeralcontainers in namespace {namespace}",
            )
        except ApiError as error:
            raise _explained(error, namespace) from error


def _explained(error: ApiError, namespace: str) -> Unavailable:
    if "PodSecurity" in error.message:
        level = "restricted" if "restricted" in error.message else "baseline"
        return Unavailable(
            f"the debug container: Pod Security level {level!r} of namespace {namespace} forbids what it needs",
            "capture on the node, or in a namespace with "
            + ("pod-security.kubernetes.io/enforce=baseline" if level == "restricted" else "level privileged"),
        )
    if error.code == 403:
        remedy = f"kubectl apply -n {namespace} -f deploy/rbac/probe.yaml, and use that identity"
        return Unavailable(f"the right to patch pods/ephemeralcontainers in namespace {namespace}", remedy)
    return Unavailable(error.missing, error.remedy)


def listed(client: Client, namespace: str, pod: str, container: Container) -> str:
    """What stays of it, for the page: an ephemeral container cannot be removed."""
    found = client.get(f"/api/v1/namespaces/{namespace}/pods/{pod}", _Pod).status.ephemeral_container_statuses
    ran = next((one.image_id for one in found or () if one.name == container.name), "")
    pin = "" if "@sha256:" in container.image else "; pin it: --debug-image NAME@sha256:DIGEST"
    return (
        f"ephemeral container {container.name} in {pod}: ends by itself, listed until the pod goes; it ran {ran}{pin}"
    )


def state(client: Client, namespace: str, pod: str, name: str) -> State:
    found = client.get(f"/api/v1/namespaces/{namespace}/pods/{pod}", _Pod).status.ephemeral_container_statuses
    return next((one.state for one in found or () if one.name == name), State())


def started(client: Client, namespace: str, pod: str, name: str, seconds: float) -> None:
    """Until it runs, or has run. Raises `Unavailable` when its image is not there."""
    _until(client, namespace, pod, name, min(seconds, START_S), lambda at: bool(at.running or at.terminated))


def finished(client: Client, namespace: str, pod: str, container: Container, seconds: float) -> str:
    """Its output, when it has ended."""
    _until(client, namespace, pod, container.name, seconds, lambda at: at.terminated is not None)
    return output(client, namespace, pod, container.name)


def output(client: Client, namespace: str, pod: str, name: str) -> str:
    return "\n".join(line.text for line in log_lines(client, namespace, pod, name))


def _until(
    client: Client, namespace: str, pod: str, name: str, seconds: float, reached: Callable[[State], bool]
) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        at = state(client, namespace, pod, name)
        if reached(at):
            return
        if at.waiting is not None and at.waiting.reason in _BAD_IMAGE:
            raise Unavailable(
                f"the debug image ({at.waiting.reason})", "push it where the nodes can pull it: --debug-image"
            )
        time.sleep(POLL_S)
    raise Unavailable(f"the end of container {name} within {seconds:.0f} s", "give a longer --budget")
