"""The highest rung, only with `--allow node`: a small pod in a node's own network, which reads its counters and ends.

It runs without root, without capabilities, in none of the node's other namespaces, is asked for by a dry run first,
ends by itself, and is deleted; one that an earlier run could not delete is deleted at the next start.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from unslow.collect import node_reader
from unslow.collect.exposition import Samples, parse
from unslow.collect.node_counters import Counter, Node, counter
from unslow.errors import Unavailable
from unslow.kube import core
from unslow.kube.access import Permission, may
from unslow.kube.client import Client
from unslow.kube.errors import ApiError
from unslow.kube.logs import log_lines

NODE = "node"
NODES = 3
"""At most so many of the target's nodes are looked at."""
START_S = 15.0
POLL_S = 0.4
STALE_S = 300.0
LABEL = "unslow.dev/rung"
_STUCK = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerError")
_LEVEL = re.compile(r'PodSecurity "(\w+)')


class NodeLook(msgspec.Struct, frozen=True):
    """What was read on one node."""

    node: str
    counters: Node
    proxy: Samples
    """kube-proxy's own samples; empty where nothing answers on the node."""


class NodePods:
    """Begun at the start of the window, asked for at its end; whatever happens `close` deletes the pods."""

    def __init__(self, client: Client, namespace: str, image: str) -> None:
        self._client = client
        self._namespace = namespace
        self._image = image
        self._made: dict[str, core.Pod] = {}
        self._until = 0.0

    @property
    def started(self) -> bool:
        return bool(self._made)

    def start(self, nodes: Sequence[str], seconds: float) -> None:
        """One pod on each of the first nodes. Raises `Unavailable` with the verb or the level that forbids it."""
        for verb, sub in (("get", ""), ("delete", ""), ("get", "log")):
            wanted = Permission(verb, "pods", subresource=sub, namespace=self._namespace)
            if not may(self._client, wanted):
                raise Unavailable(f"the right to {wanted}", f"allow this identity to {wanted}")
        self._reap()
        for node in nodes[:NODES]:
            body = manifest(self._namespace, node, self._image, seconds)
            self._post(body, dry_run=True)
            self._made[node] = self._post(body, dry_run=False)
        self._until = time.monotonic() + seconds + START_S

    def looks(self) -> list[NodeLook]:
        """Waits for the ends of the pods. Raises `Unavailable` when none of them read anything."""
        found, why = [], Unavailable("a node that runs the workload", "look at why its pods are not scheduled")
        for node, pod in self._made.items():
            try:
                self._wait(pod.metadata.name)
                text = "\n".join(
                    one.text for one in log_lines(self._client, self._namespace, pod.metadata.name, "reader")
                )
                found.append(read(node, text))
            except Unavailable as error:
                why = error
        if not found:
            raise why
        return found

    def close(self) -> None:
        """Deletes them, over time or not; one that cannot be deleted ends by itself and is deleted at a later start."""
        if not self._made:
            return
        with Client(self._client.access) as unhurried:
            for pod in self._made.values():
                with contextlib.suppress(Unavailable):
                    _delete(unhurried, pod)
        self._made.clear()

    def _reap(self) -> None:
        """Those of earlier runs that are over; a fresh one may be of a run that has yet to read it."""
        path = f"/api/v1/namespaces/{self._namespace}/pods"
        asked = f"list pods in namespace {self._namespace}"
        for pod in self._client.items(path, core.Pod, labels=f"{LABEL}={NODE}", asked=asked):
            age_s = time.time() - (pod.metadata.created_s or 0.0)
            if pod.status.phase in {"Succeeded", "Failed"} and age_s >= STALE_S:
                with contextlib.suppress(ApiError):
                    _delete(self._client, pod)

    def _post(self, body: dict[str, Any], *, dry_run: bool) -> core.Pod:
        path = f"/api/v1/namespaces/{self._namespace}/pods"
        try:
            return self._client.post(
                path, body, core.Pod, asked=f"create pods in namespace {self._namespace}", dry_run=dry_run
            )
        except ApiError as error:
            raise explained(error, self._namespace) from error

    def _wait(self, name: str) -> None:
        path = f"/api/v1/namespaces/{self._namespace}/pods/{name}"
        while time.monotonic() < self._until:
            pod = self._client.get(path, core.Pod, asked=f"get pods in namespace {self._namespace}")
            if pod.status.phase == "Succeeded":
                return
            if pod.status.phase == "Failed":
                raise Unavailable(
                    f"the reader on node {pod.spec.node_name}: it ended early",
                    "give an image with Python 3.11: --debug-image IMAGE",
                )
            for status in pod.status.container_statuses or ():
                waiting = status.state.waiting
                if waiting and waiting.reason in _STUCK:
                    raise Unavailable(
                        f"the debug image ({waiting.reason})", "give one that the nodes can pull: --debug-image IMAGE"
                    )
            time.sleep(POLL_S)
        raise Unavailable(f"the end of the pod {name} in time", "give a longer --budget")


def _delete(client: Client, pod: core.Pod) -> None:
    path = f"/api/v1/namespaces/{pod.metadata.namespace}/pods/{pod.metadata.name}"
    client.delete(path, uid=pod.metadata.uid, grace_s=0)


def manifest(namespace: str, node: str, image: str, seconds: float) -> dict[str, Any]:
    """Of a pod on that node, whatever its taints: a look must not wait for the scheduler."""
    name = f"unslow-node-{secrets.token_hex(4)}"
    reader = Path(node_reader.__file__).read_text(encoding="utf-8")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {LABEL: NODE, "app.kubernetes.io/managed-by": "unslow"},
        },
        "spec": {
            "nodeName": node,
            "hostNetwork": True,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": round(seconds + 2 * START_S),
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "reader",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python3", "-I", "-S", "-c", reader, f"{seconds:.1f}"],
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32Mi"},
                        "limits": {"cpu": "200m", "memory": "64Mi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


def explained(error: ApiError, namespace: str) -> Unavailable:
    """A refusal with the level or the verb that would allow the pod."""
    level = _LEVEL.search(error.message)
    if level:
        return Unavailable(
            f"a pod in the node's network: Pod Security level {level[1]} of namespace {namespace} forbids it",
            "only level privileged allows hostNetwork: name a namespace that has it (--node-namespace), or let Prometheus "
            "scrape node-exporter",
        )
    if error.code == 403 and "quota" not in error.message:
        return Unavailable(
            f"the right to create pods in namespace {namespace}",
            f"allow the verb create on pods in namespace {namespace}",
        )
    return Unavailable(error.missing, error.remedy)


def read(node: str, text: str) -> NodeLook:
    """The reader's output. Raises `Unavailable` when it is not whole."""
    try:
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        seconds = next(float(line[1]) for line in lines if line[0] == "seconds")
        first = {_key(line): float(line[3]) for line in lines if line[0] == "first"}
        last = [(line[1], dict(line[2]), float(line[3]), _key(line)) for line in lines if line[0] == "last"]
        proxy = parse("\n".join(line[1] for line in lines if line[0] == "proxy")).samples
    except (ValueError, IndexError, KeyError, TypeError, StopIteration) as error:
        raise Unavailable(f"the whole output of the reader on node {node}", "look at its pod's log") from error
    counters: list[Counter] = []
    for name, labels, value, key in last:
        samples = [(0.0, first[key]), (seconds, value)] if key in first else [(seconds, value)]
        made = counter(name, labels, samples)
        counters += [made] if made else []
    return NodeLook(node, Node(tuple(counters)), proxy)


def _key(line: Sequence[Any]) -> str:
    return json.dumps(line[1:3], sort_keys=True)
