"""What changed, when, and who did it: revisions, scales, config maps, nodes -> evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from unslow.collect.cluster_nodes import condition
from unslow.evidence.cluster import Change, Changes, Revision, Workload
from unslow.kube import core
from unslow.kube import workloads as api
from unslow.kube.events import Event
from unslow.kube.meta import ManagedMeta, unix

REVISIONS = 10
LOOK_BACK_S = 24 * 3600.0
LATE_S = 60.0
"""A controller under load makes the new set this long after the edit, at most."""
EARLY_S = 2.0
"""Times are whole seconds, and of different clocks."""
_NUMBER = "deployment.kubernetes.io/revision"
_HISTORY = "deployment.kubernetes.io/revision-history"
_CAUSE = "kubernetes.io/change-cause"
_CONTROLLERS = (
    "kube-controller-manager",
    "kubelet",
    "kube-scheduler",
    "deployment-controller",
    "replicaset-controller",
)
"""They carry out what somebody else wanted."""
_SCALED = re.compile(r"Scaled (up|down) replica set (\S+)(?: from (\d+))? to (\d+)")


def workload(
    kind: str,
    found: api.Workload,
    sets: Iterable[api.ReplicaSet],
    controller_revisions: Iterable[api.ControllerRevision],
    pods: Sequence[core.Pod],
) -> Workload:
    status, spec = found.status, found.spec
    daemon = kind == "DaemonSet"
    return Workload(
        kind=kind,
        namespace=found.metadata.namespace,
        name=found.metadata.name,
        replicas_wanted=status.desired_number_scheduled if daemon else (1 if spec.replicas is None else spec.replicas),
        replicas_ready=status.number_ready if daemon else status.ready_replicas,
        replicas_updated=status.updated_number_scheduled if daemon else status.updated_replicas,
        revisions=_of_sets(found, sets) if kind == "Deployment" else _of_revisions(found, controller_revisions, pods),
        conditions=tuple(condition(one) for one in status.conditions or ()),
        managed_by=managed_by(found.metadata),
    )


def managed_by(metadata: ManagedMeta) -> str:
    """Who would put a change by hand back."""
    labels, annotations = metadata.labels or {}, metadata.annotations or {}
    if "argocd.argoproj.io/instance" in labels or "argocd.argoproj.io/tracking-id" in annotations:
        return "argocd"
    if "kustomize.toolkit.fluxcd.io/name" in labels or "helm.toolkit.fluxcd.io/name" in labels:
        return "flux"
    managers = {one.manager.lower() for one in metadata.managed_fields or ()}
    if any("argocd" in manager for manager in managers):
        return "argocd"
    return "helm" if labels.get("app.kubernetes.io/managed-by", "").lower() == "helm" else ""


def editor_at(metadata: ManagedMeta, at_s: float) -> str:
    """The tool that set fields just before `at_s`, other than Kubernetes' own controllers; empty when none did.

    A tool's record keeps only its last edit: whoever edited again since is not known for the earlier one.
    """
    edits = [
        (edited_s, one.manager)
        for one in metadata.managed_fields or ()
        if (edited_s := unix(one.time)) is not None
        and -LATE_S <= edited_s - at_s <= EARLY_S
        and not one.subresource
        and one.manager not in _CONTROLLERS
    ]
    return max(edits)[1] if edits else ""


def _of_sets(found: api.Workload, sets: Iterable[api.ReplicaSet]) -> tuple[Revision, ...]:
    own = [one for one in sets if one.metadata.owner and one.metadata.owner.uid == found.metadata.uid]
    ordered = sorted(own, key=_number)[-REVISIONS:]
    return tuple(
        Revision(
            number=_number(one),
            at_s=_since_s(one.metadata),
            images=_images(one.spec.template.spec),
            who=(one.metadata.annotations or {}).get(_CAUSE, "") or editor_at(found.metadata, _since_s(one.metadata)),
            changed=differences(before.spec.template.spec, one.spec.template.spec) if before else (),
            pods=one.status.replicas,
        )
        for before, one in zip((None, *ordered), ordered, strict=False)
    )


def _number(one: api.ReplicaSet) -> int:
    text = (one.metadata.annotations or {}).get(_NUMBER, "0")
    return int(text) if text.isdigit() else 0


def _since_s(metadata: ManagedMeta) -> float:
    """A rollback takes an old set up again: then its last edit counts, not its creation."""
    created = metadata.created_s or 0.0
    if _HISTORY not in (metadata.annotations or {}):
        return created
    edits = [unix(one.time) or 0.0 for one in metadata.managed_fields or () if not one.subresource]
    return max([created, *edits])


def _of_revisions(
    found: api.Workload, revisions: Iterable[api.ControllerRevision], pods: Sequence[core.Pod]
) -> tuple[Revision, ...]:
    own = [one for one in revisions if one.metadata.owner and one.metadata.owner.uid == found.metadata.uid]
    ordered = sorted(own, key=lambda one: one.revision)[-REVISIONS:]
    return tuple(
        Revision(
            number=one.revision,
            at_s=one.metadata.created_s or 0.0,
            images=_images(one.data.spec.template.spec),
            who=editor_at(found.metadata, one.metadata.created_s or 0.0),
            changed=differences(before.data.spec.template.spec, one.data.spec.template.spec) if before else (),
            pods=sum(_runs(pod, one) for pod in pods),
        )
        for before, one in zip((None, *ordered), ordered, strict=False)
    )


def _runs(pod: core.Pod, revision: api.ControllerRevision) -> bool:
    """A StatefulSet labels its pods with the revision's name, a DaemonSet with the hash that ends it."""
    label = (pod.metadata.labels or {}).get("controller-revision-hash", "")
    return bool(label) and (revision.metadata.name == label or revision.metadata.name.endswith(f"-{label}"))


def _images(spec: core.PodSpec) -> tuple[str, ...]:
    return tuple(container.image for container in spec.containers)


def differences(before: core.PodSpec, after: core.PodSpec) -> tuple[str, ...]:
    """In words; values of settings are not told, they may be secret."""
    old = {container.name: container for container in before.containers}
    new = {container.name: container for container in after.containers}
    told = [f"container {name} removed" for name in sorted(old.keys() - new.keys())]
    told += [f"container {name} added" for name in sorted(new.keys() - old.keys())]
    for name in new:
        if name in old:
            prefix = f"{name}: " if len(new) > 1 else ""
            told += [prefix + text for text in _of_container(old[name], new[name])]
    return tuple(told)


def _of_container(old: core.Container, new: core.Container) -> list[str]:
    told = []
    if old.image != new.image:
        told.append(f"image {old.image} -> {new.image}")
    if (old.command, old.args) != (new.command, new.args):
        told.append("command changed")
    told += _of_settings(old, new)
    for what in ("requests", "limits"):
        was, now = getattr(old.resources, what) or {}, getattr(new.resources, what) or {}
        for key in sorted(was.keys() | now.keys()):
            if was.get(key) != now.get(key):
                told.append(f"{what}.{key} {was.get(key, 'none')} -> {now.get(key, 'none')}")
    for kind in ("liveness_probe", "readiness_probe", "startup_probe"):
        if getattr(old, kind) != getattr(new, kind):
            told.append(f"{kind.replace('_', ' ')} changed")
    return told


def _of_settings(old: core.Container, new: core.Container) -> list[str]:
    was = {one.name: one for one in old.env or ()}
    now = {one.name: one for one in new.env or ()}
    told = [f"env {name} added" for name in now if name not in was]
    told += [f"env {name} removed" for name in was if name not in now]
    return told + [f"env {name} changed" for name in now if name in was and now[name] != was[name]]


def config_maps(spec: core.PodSpec) -> set[str]:
    """Names of config maps that settings come from."""
    names: set[str] = set()
    for container in spec.containers:
        names.update(one.config_map_ref.name for one in container.env_from or () if one.config_map_ref)
        for variable in container.env or ():
            reference = variable.value_from.config_map_key_ref if variable.value_from else None
            if reference:
                names.add(reference.name)
    return names


def changes(
    events: Iterable[Event],
    config: Mapping[str, ManagedMeta],
    nodes: Iterable[core.Node],
    target_nodes: Iterable[str],
    now_s: float,
) -> Changes:
    """Everything that is not a rollout, newest last."""
    found = [*_scales(events), *_config(config), *_nodes(nodes, set(target_nodes))]
    recent = [one for one in found if now_s - one.at_s <= LOOK_BACK_S]
    return Changes(changes=tuple(sorted(recent, key=lambda one: (one.at_s, one.what))), looked_back_s=LOOK_BACK_S)


def _scales(events: Iterable[Event]) -> list[Change]:
    made = []
    for event in events:
        match = _SCALED.search(event.message or "") if event.reason == "ScalingReplicaSet" else None
        if match:
            what = (
                f"scaled {match[1]} from {match[3]} to {match[4]}" if match[3] else f"scaled {match[1]} to {match[4]}"
            )
            where = f"{event.involved_object.kind}/{event.involved_object.name}"
            component = event.source.component
            who = "" if component in _CONTROLLERS else component
            made.append(Change(at_s=event.last_s, what=what, where=where, who=who))
    return made


def _config(config: Mapping[str, ManagedMeta]) -> list[Change]:
    made = []
    for name, metadata in config.items():
        edits = [(unix(one.time) or 0.0, one.manager) for one in metadata.managed_fields or ()]
        at_s, who = max(edits) if edits else (metadata.created_s or 0.0, "")
        fresh = at_s <= (metadata.created_s or 0.0) + 1.0
        what = "config map created" if fresh else "config map edited"
        made.append(Change(at_s=at_s, what=what, where=f"ConfigMap/{name}", who=who))
    return made


def _nodes(nodes: Iterable[core.Node], target: set[str]) -> list[Change]:
    made = []
    for node in nodes:
        if node.metadata.name not in target:
            continue
        where = f"Node/{node.metadata.name}"
        if node.metadata.created_s is not None:
            made.append(Change(at_s=node.metadata.created_s, what="node joined the cluster", where=where))
        for one in node.status.conditions or ():
            bad = one.status != "True" if one.type == "Ready" else one.status == "True"
            since = unix(one.last_transition_time)
            if bad and since is not None:
                made.append(Change(at_s=since, what=f"{one.type} is {one.status}: {one.reason}", where=where))
    return made
