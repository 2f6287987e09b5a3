"""From `NAMESPACE/WORKLOAD`, `deploy/NAME`, `svc/NAME` or `pod/NAME` to the workload that is meant."""

from __future__ import annotations

import re
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial

from unslow.errors import BadUsage, CannotLook
from unslow.kube.client import Client
from unslow.kube.core import Pod, Service
from unslow.kube.errors import ApiError
from unslow.kube.meta import Meta, Owner, Selector
from unslow.kube.workloads import ReplicaSet, Workload

_NAME = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?"
_TARGET = re.compile(rf"^({_NAME})/({_NAME})$", re.IGNORECASE)
_KINDS = {
    "deploy": "Deployment",
    "deployment": "Deployment",
    "deployments": "Deployment",
    "sts": "StatefulSet",
    "statefulset": "StatefulSet",
    "statefulsets": "StatefulSet",
    "ds": "DaemonSet",
    "daemonset": "DaemonSet",
    "daemonsets": "DaemonSet",
    "svc": "Service",
    "service": "Service",
    "services": "Service",
    "po": "Pod",
    "pod": "Pod",
    "pods": "Pod",
}
WORKLOAD_KINDS = ("Deployment", "StatefulSet", "DaemonSet")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user typed; kind is empty for `NAMESPACE/WORKLOAD`."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """The workload, and the service when it was asked for by one."""

    kind: str
    workload: Workload
    service: Service | None = None
    pod: str = ""
    """Only this pod was asked for."""

    @property
    def namespace(self) -> str:
        return self.workload.metadata.namespace

    @property
    def name(self) -> str:
        return self.workload.metadata.name

    @property
    def selector(self) -> Selector:
        return self.workload.spec.selector


def is_workload(target: str) -> bool:
    """Whether it reads as a target in a cluster; a file of that name would also do."""
    return asked(target, "default") is not None


def asked(target: str, namespace: str) -> Asked | None:
    """None when the text names nothing in a cluster. `deployment.apps/NAME` is as good as `deploy/NAME`."""
    match = _TARGET.match(target)
    if match is None or target.endswith(".unslow"):
        return None
    first, name = match.groups()
    kind = _KINDS.get(first.lower().partition(".")[0])
    return Asked(kind, namespace, name) if kind else Asked("", first, name)


def finders(client: Client, target: str, namespace: str, pool: Executor) -> dict[str, Future[Resolved]]:
    """The look-ups under way, by kind. Raises `BadUsage` for a text that names nothing."""
    wanted = asked(target, namespace)
    if wanted is None:
        raise BadUsage(f"{target!r} is no target in a cluster", "say NAMESPACE/WORKLOAD, deploy/NAME or svc/NAME")
    kinds = (wanted.kind,) if wanted.kind else WORKLOAD_KINDS
    return {kind: pool.submit(partial(_FINDERS[kind], client, wanted.namespace, wanted.name, kind)) for kind in kinds}


def resolve(client: Client, target: str, namespace: str, looking: dict[str, Future[Resolved]]) -> Resolved:
    """The workload behind the target. Raises `CannotLook` (no such thing, or not allowed), `Unreachable`."""
    refused: ApiError | None = None
    for future in looking.values():
        try:
            return future.result()
        except ApiError as error:
            if error.code != 404:
                refused = error
    if refused is not None:
        raise CannotLook(refused.missing, refused.remedy)
    raise _not_found(client, asked(target, namespace) or Asked("", namespace, target))


def _not_found(client: Client, wanted: Asked) -> CannotLook:
    what = wanted.kind.lower() if wanted.kind else "deployment, statefulset or daemonset"
    try:
        names = [one.metadata.name for one in client.items(_path("Deployment", wanted.namespace), Workload)]
    except ApiError:
        names = []
    there = f"in {wanted.namespace} there are: {', '.join(sorted(names)[:8])}" if names else ""
    remedy = there or f"namespace {wanted.namespace} has no deployments: check -n and --context"
    return CannotLook(f"no {what} {wanted.name!r} in namespace {wanted.namespace}", remedy)


def _path(kind: str, namespace: str, name: str = "") -> str:
    path = f"/apis/apps/v1/namespaces/{namespace}/{kind.lower()}s"
    return f"{path}/{name}" if name else path


def _workload(client: Client, namespace: str, name: str, kind: str) -> Resolved:
    asked_for = f"get {kind.lower()}s.apps in namespace {namespace}"
    return Resolved(kind, client.get(_path(kind, namespace, name), Workload, asked=asked_for))


def _service(client: Client, namespace: str, name: str, _: str) -> Resolved:
    path = f"/api/v1/namespaces/{namespace}/services/{name}"
    service = client.get(path, Service, asked=f"get services in namespace {namespace}")
    selector = ",".join(f"{key}={value}" for key, value in (service.spec.selector or {}).items())
    if not selector:
        raise CannotLook(f"service {name} selects no pods itself", "name the workload: NAMESPACE/WORKLOAD")
    for pod in client.items(f"/api/v1/namespaces/{namespace}/pods", Pod, labels=selector, page=10):
        found = _of_pod(client, pod)
        return Resolved(found.kind, found.workload, service)
    raise CannotLook(
        f"the selector of service {name} ({selector}) matches no pod in namespace {namespace}",
        "compare it with the labels of the pods: `kubectl get pods --show-labels`",
    )


def _pod(client: Client, namespace: str, name: str, _: str) -> Resolved:
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    found = _of_pod(client, client.get(path, Pod, asked=f"get pods in namespace {namespace}"))
    return Resolved(found.kind, found.workload, pod=name)


def _of_pod(client: Client, pod: Pod) -> Resolved:
    """The pod's owner, through its ReplicaSet."""
    namespace, owner = pod.metadata.namespace, pod.metadata.owner
    if owner is not None and owner.kind == "ReplicaSet":
        owner = _owner_of_replica_set(client, namespace, owner)
    if owner is None or owner.kind not in WORKLOAD_KINDS:
        what = f"owned by {owner.kind} {owner.name}" if owner else "owned by nothing"
        raise CannotLook(
            f"pod {pod.metadata.name} is {what}", "name a Deployment, StatefulSet or DaemonSet: NAMESPACE/WORKLOAD"
        )
    return _workload(client, namespace, owner.name, owner.kind)


def _owner_of_replica_set(client: Client, namespace: str, owner: Owner) -> Owner | None:
    path = f"/apis/apps/v1/namespaces/{namespace}/replicasets/{owner.name}"
    metadata: Meta = client.get(path, ReplicaSet, asked=f"get replicasets.apps in namespace {namespace}").metadata
    return metadata.owner


_FINDERS = {
    "Deployment": _workload,
    "StatefulSet": _workload,
    "DaemonSet": _workload,
    "Service": _service,
    "Pod": _pod,
}
