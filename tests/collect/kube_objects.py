"""Objects as the API server writes them, short."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from unslow.kube import core, network
from unslow.kube import workloads as api
from unslow.kube.events import Event

T = TypeVar("T")


def made(kind: type[T], **fields: Any) -> T:
    return msgspec.convert(fields, kind)


def at(second: float) -> str:
    return f"2026-01-01T00:{int(second) // 60:02d}:{int(second) % 60:02d}Z"


def pod(name: str = "web-1", labels: dict[str, str] | None = None, **more: Any) -> core.Pod:
    container = {"name": "web", "image": "team/web:1", "ports": [{"containerPort": 8000, "name": "http"}]}
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": f"uid-{name}",
        "creationTimestamp": at(0),
        "labels": labels or {"app": "web"},
    }
    spec = {"nodeName": "node-1", "containers": [container], **more.pop("spec", {})}
    status = {
        "phase": "Running",
        "qosClass": "Burstable",
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(2)},
            {"type": "Ready", "status": "True", "lastTransitionTime": at(20)},
        ],
        "containerStatuses": [
            {"name": "web", "ready": True, "restartCount": 0, "state": {"running": {"startedAt": at(12)}}}
        ],
        **more.pop("status", {}),
    }
    return made(core.Pod, metadata=metadata, spec=spec, status=status)


def event(reason: str, message: str, last: float = 30, count: int = 1, **involved: str) -> Event:
    about = {"kind": "Pod", "name": "web-1", "uid": "uid-web-1", **involved}
    return made(
        Event,
        metadata={"name": f"{reason}-{last}"},
        involvedObject=about,
        reason=reason,
        message=message,
        type="Warning" if reason in {"Unhealthy", "BackOff"} else "Normal",
        firstTimestamp=at(last - 1),
        lastTimestamp=at(last),
        count=count,
    )


def service(name: str = "web", selector: dict[str, str] | None = None, target: int | str = "http") -> core.Service:
    return made(
        core.Service,
        metadata={"name": name, "namespace": "shop"},
        spec={
            "selector": {"app": "web"} if selector is None else selector,
            "ports": [{"port": 80, "targetPort": target}],
        },
    )


def endpoint_slice(of: str, *endpoints: dict[str, Any]) -> network.EndpointSlice:
    labels = {"kubernetes.io/service-name": of}
    return made(
        network.EndpointSlice, metadata={"name": f"{of}-1", "labels": labels}, endpoints=list(endpoints) or None
    )


def workload(name: str = "web", env: dict[str, str] | None = None, **metadata: Any) -> api.Workload:
    container = {
        "name": "web",
        "image": "team/web:2",
        "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
    }
    return made(
        api.Workload,
        metadata={"name": name, "namespace": "shop", "uid": "uid-workload", **metadata},
        spec={
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
        },
        status={"readyReplicas": 2, "updatedReplicas": 1},
    )
