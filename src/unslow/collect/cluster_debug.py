"""The rung above exec: a debug container beside an application whose image has no Python, when the user allows it.

It shares the application's processes and network, ends by itself, and cannot be removed from the pod's description:
that is why it is never added unasked.
"""

from __future__ import annotations

from dataclasses import replace

from unslow.collect.cluster_inside import Place
from unslow.errors import Unavailable
from unslow.kube import core, ephemeral
from unslow.kube.client import Client
from unslow.kube.ephemeral import Container
from unslow.kube.errors import ApiError

FULL = "with SYS_PTRACE"
PLAIN = "without SYS_PTRACE: stacks only of processes of the same user"
_INSTEAD = "run the pod with a user that is not root, or label its namespace with a lower level"


def would_be_admitted(client: Client, place: Place, image: str) -> str:
    """In which form (`FULL` or `PLAIN`). Raises `Unavailable` with the verb or the level that forbids it."""
    return _admitted(client, place, image, 1, "unslow-dry-run")[0]


def added(client: Client, place: Place, image: str, seconds: float) -> tuple[Place, str]:
    """The same place seen from a new debug container that lives for `seconds`, and what will stay of it.

    Raises `Unavailable`, `ApiError`.
    """
    _, container = _admitted(client, place, image, int(seconds), ephemeral.fresh_name("inside"))
    where = (client, place.namespace, place.pod)
    ephemeral.add(*where, container)
    ephemeral.started(*where, container.name)
    ephemeral.need_running(*where, container.name)
    return replace(place, container=container.name), ephemeral.left_behind(*where, container)


def _admitted(client: Client, place: Place, image: str, seconds: int, name: str) -> tuple[str, Container]:
    """The form that has most, of those that are admitted."""
    path = f"/api/v1/namespaces/{place.namespace}/pods/{place.pod}"
    pod = client.get(path, core.Pod, asked=f"get pods in namespace {place.namespace}")
    refused: Unavailable | None = None
    for form in (FULL, PLAIN):
        container = Container(
            name=name,
            image=image,
            command=("python3", "-c", f"import time; time.sleep({seconds})"),
            security=_security(pod, place.container, form),
            target=place.container,
            instead=_INSTEAD,
        )
        try:
            ephemeral.need_admission(client, place.namespace, place.pod, container)
        except ApiError:
            raise
        except Unavailable as error:
            refused = error
        else:
            return form, container
    assert refused is not None  # the loop ends without a return only by way of a refusal
    raise refused


def _security(pod: core.Pod, target: str, form: str) -> dict[str, object]:
    """Able to read the application's processes: root with the capability for it, else the application's own user."""
    if form == FULL:  # for another user the capability would be in the list and not in force
        return {"capabilities": {"add": ["SYS_PTRACE"]}, "runAsUser": 0, "runAsNonRoot": False}
    security: dict[str, object] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    own = next((one for one in pod.spec.containers if one.name == target), None)
    contexts = [one for one in (own and own.security_context, pod.spec.security_context) if one]
    user = next((one.run_as_user for one in contexts if one.run_as_user is not None), None)
    if user is not None:
        security |= {"runAsUser": user, "runAsNonRoot": user != 0}
    return security | {"seccompProfile": {"type": "RuntimeDefault"}}
