"""What owns the pods, what changed, and what was reported."""

from __future__ import annotations

from typing import Literal

import msgspec

from unslow.evidence.cluster.condition import Condition


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the rollout history, a ReplicaSet or a ControllerRevision."""

    number: int
    at_s: float
    """When it was created."""
    version: str = ""
    """As its pods have it (`Pod.version`)."""
    images: tuple[str, ...] = ()
    who: str = ""
    """From the audit log, the field manager or the change-cause annotation."""
    changed: tuple[str, ...] = ()
    """Against the revision before, in words: `image a:1 -> a:2`, `env FEATURE added`."""
    pods: int = 0
    """Pods of this revision now."""


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """The Deployment, StatefulSet or DaemonSet that owns the target's pods."""

    kind: str
    namespace: str
    name: str
    replicas_wanted: int
    replicas_ready: int
    replicas_updated: int | None = None
    revisions: tuple[Revision, ...] = ()
    """Oldest first."""
    conditions: tuple[Condition, ...] = ()
    managed_by: str = ""
    """argocd, flux, helm, ...: what would revert a change by hand."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was changed in the cluster, other than a rollout: config map, scale, node, autoscaler."""

    at_s: float
    what: str
    where: str
    who: str = ""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    changes: tuple[Change, ...]
    looked_back_s: float


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event about the workload, its pods or its nodes; the API server forgets them after about an hour."""

    first_s: float
    last_s: float
    count: int = 1
    kind: str
    """Of the object."""
    name: str
    type: Literal["Normal", "Warning"] = "Normal"
    reason: str
    message: str = ""


class Events(msgspec.Struct, frozen=True, kw_only=True):
    events: tuple[Event, ...]

    def of_reason(self, *reasons: str) -> tuple[Event, ...]:
        return tuple(event for event in self.events if event.reason in reasons)
