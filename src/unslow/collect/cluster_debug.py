"""The rung above exec: a debug container beside an application whose image has no Python, when the user allows it.

Whether it would be admitted is asked by a dry run. It shares the application's processes and network, ends by
itself, and cannot be removed from the pod's description: that is why it is never added unasked.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace

from unslow.collect.cluster_inside import Place
from unslow.errors import Unavailable
from unslow.kube import core
from unslow.kube.client import STRATEGIC, Client
from unslow.kube.errors import ApiError

START_S = 30.0
_POLL_S = 0.3
_STUCK = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerError")
FULL = "with SYS_PTRACE"
PLAIN = "without SYS_PTRACE: stacks only of processes of the same user"


def would_be_admitted(client: Client, place: Place, image: str) -> str:
    """In which form (`FULL` or `PLAIN`). Raises `Unavailable` with the verb or the level that forbids it."""
    refused: ApiError | None = None
    pod = _pod(client, place)
    for form in (FULL, PLAIN):
        try:
            _patch(client, place, _spec(place, pod, image, form, 1, "unslow-dry-run"), dry_run=True)
        except ApiError as error:
            if error.code != 403:
                raise
            refused = error
        else:
            return form
    assert refused is not None  # the loop ends without a return only by way of a refusal
    raise _explained(refused, place)


def added(client: Client, place: Place, image: str, seconds: float) -> Place:
    """The same place seen from a new debug container that lives for `seconds`. Raises `Unavailable`, `ApiError`."""
    form = would_be_admitted(client, place, image)
    name = f"unslow-{secrets.token_hex(4)}"
    _patch(client, place, _spec(place, _pod(client, place), image, form, int(seconds), name), dry_run=False)
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        state = _state(_pod(client, place), name)
        if state.running:
            return replace(place, container=name)
        if state.terminated or (state.waiting and state.waiting.reason in _STUCK):
            why = state.waiting.reason if state.waiting else "it ended at once"
            raise Unavailable(f"the debug image {image} ({why})", "give one with Python 3.11 that the nodes can pull")
        time.sleep(_POLL_S)
    raise Unavailable(f"the debug container {name} within {START_S:.0f} s", "look at the pod's events")


def _spec(place: Place, pod: core.Pod, image: str, form: str, seconds: int, name: str) -> dict[str, object]:
    security: dict[str, object] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    if form == FULL:
        security = {"capabilities": {"add": ["SYS_PTRACE"]}}
    target = next((one for one in pod.spec.containers if one.name == place.container), None)
    contexts = [one for one in (target and target.security_context, pod.spec.security_context) if one]
    user = next((one.run_as_user for one in contexts if one.run_as_user is not None), None)
    if user is not None:
        security |= {"runAsUser": user, "runAsNonRoot": user != 0}
    if form == PLAIN:
        security["seccompProfile"] = {"type": "RuntimeDefault"}
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "targetContainerName": place.container,
        "command": ["python3", "-c", f"import time; time.sleep({seconds})"],
        "securityContext": security,
    }


def _patch(client: Client, place: Place, spec: dict[str, object], *, dry_run: bool) -> None:
    client.patch(
        f"/api/v1/namespaces/{place.namespace}/pods/{place.pod}/ephemeralcontainers",
        {"spec": {"ephemeralContainers": [spec]}},
        core.Pod,
        kind=STRATEGIC,
        dry_run=dry_run,
        asked=f"patch pods/ephemeralcontainers in namespace {place.namespace}",
    )


def _pod(client: Client, place: Place) -> core.Pod:
    path = f"/api/v1/namespaces/{place.namespace}/pods/{place.pod}"
    return client.get(path, core.Pod, asked=f"get pods in namespace {place.namespace}")


def _state(pod: core.Pod, name: str) -> core.State:
    statuses = pod.status.ephemeral_container_statuses or ()
    return next((one.state for one in statuses if one.name == name), core.State())


def _explained(error: ApiError, place: Place) -> Unavailable:
    if "PodSecurity" in error.message:
        level = "restricted" if "restricted:" in error.message else "baseline"
        return Unavailable(
            f"a debug container: Pod Security level {level} of namespace {place.namespace} forbids it",
            f"run the pod with a user that is not root, or label the namespace with a lower level than {level}",
        )
    return Unavailable(
        f"permission to patch pods/ephemeralcontainers in namespace {place.namespace}",
        f"allow the verb patch on pods/ephemeralcontainers in namespace {place.namespace}",
    )
