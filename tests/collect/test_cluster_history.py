from __future__ import annotations

import msgspec

from tests.collect.kube_objects import at, event, made, pod, workload
from unslow.collect.cluster_history import changes, config_maps, differences
from unslow.collect.cluster_history import workload as history
from unslow.kube import core
from unslow.kube import workloads as api
from unslow.kube.events import Source
from unslow.kube.meta import ManagedMeta


def replica_set(number: int, image: str, created: float, **annotations: str) -> api.ReplicaSet:
    return made(
        api.ReplicaSet,
        metadata={
            "name": f"web-{number}",
            "creationTimestamp": at(created),
            "annotations": {"deployment.kubernetes.io/revision": str(number), **annotations},
            "ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "uid-workload", "controller": True}],
            "managedFields": [{"manager": "kube-controller-manager", "time": at(500)}],
        },
        spec={"template": {"spec": {"containers": [{"name": "web", "image": image}]}}},
    )


def test_revisions_in_order_with_what_changed_and_who_did_it() -> None:
    fields = [
        {"manager": "kubectl-edit", "operation": "Update", "time": at(79)},
        {"manager": "kube-controller-manager", "time": at(99)},
    ]
    found = history(
        "Deployment",
        workload(managedFields=fields),
        [replica_set(2, "team/web:2", 80), replica_set(1, "team/web:1", 10, **{"kubernetes.io/change-cause": "first"})],
        [],
        [],
    )
    assert [(one.number, one.who, one.changed) for one in found.revisions] == [
        (1, "first", ()),
        (2, "kubectl-edit", ("image team/web:1 -> team/web:2",)),
    ]
    assert (found.replicas_wanted, found.replicas_ready, found.replicas_updated) == (3, 2, 1)


def test_who_edited_again_later_is_not_blamed_for_the_rollout() -> None:
    fields = [
        {"manager": "argocd-controller", "time": at(80)},
        {"manager": "kubectl-label", "time": at(400)},
        {"manager": "kubectl", "subresource": "scale", "time": at(81)},
    ]
    found = history("Deployment", workload(managedFields=fields), [replica_set(1, "team/web:1", 80)], [], [])
    assert [one.who for one in found.revisions] == ["argocd-controller"]


def test_each_revision_has_the_tool_that_made_it_as_far_as_the_record_goes() -> None:
    fields = [{"manager": "helm", "time": at(10)}, {"manager": "kubectl-set", "time": at(200)}]
    sets = [replica_set(1, "team/web:1", 11), replica_set(2, "team/web:2", 100), replica_set(3, "team/web:3", 200)]
    found = history("Deployment", workload(managedFields=fields), sets, [], [])
    assert [one.who for one in found.revisions] == ["helm", "", "kubectl-set"]


def test_the_controller_that_carries_out_a_scale_is_not_who_wanted_it() -> None:
    text = "Scaled down replica set web-1 from 3 to 1"
    scaled = event("ScalingReplicaSet", text, last=50, kind="Deployment", name="web")
    by_hand = msgspec.structs.replace(scaled, source=Source(component="deployment-controller"))
    (found,) = changes([by_hand], {}, [], [], scaled.last_s + 60).changes
    assert (found.what, found.who) == ("scaled down from 3 to 1", "")


def test_a_rollback_counts_from_when_the_old_set_was_taken_up_again() -> None:
    back = {"deployment.kubernetes.io/revision-history": "1"}
    found = history(
        "Deployment", workload(), [replica_set(3, "team/web:1", 10, **back), replica_set(2, "x", 80)], [], []
    )
    assert found.revisions[-1].at_s > found.revisions[0].at_s


def test_differences_never_tell_values_of_settings() -> None:
    old = made(
        core.PodSpec,
        containers=[
            {
                "name": "c",
                "image": "a:1",
                "env": [{"name": "KEY", "value": "secret-1"}],
                "resources": {"limits": {"cpu": "1"}},
            }
        ],
    )
    new = made(
        core.PodSpec,
        containers=[
            {
                "name": "c",
                "image": "a:1",
                "env": [{"name": "KEY", "value": "secret-2"}, {"name": "NEW"}],
                "resources": {"limits": {"cpu": "100m"}},
            }
        ],
    )
    told = differences(old, new)
    assert told == ("env NEW added", "env KEY changed", "limits.cpu 1 -> 100m")
    assert "secret" not in " ".join(told)


def test_changes_besides_rollouts() -> None:
    scaled = event(
        "ScalingReplicaSet", "Scaled up replica set web-1 from 1 to 3", last=50, kind="Deployment", name="web"
    )
    edited = made(
        ManagedMeta,
        name="settings",
        uid="u",
        creationTimestamp=at(0),
        managedFields=[{"manager": "helm", "time": at(70)}],
    )
    node = made(
        core.Node,
        metadata={"name": "node-1", "creationTimestamp": at(5)},
        status={
            "conditions": [{"type": "Ready", "status": "False", "reason": "KubeletDown", "lastTransitionTime": at(80)}]
        },
    )
    now = (node.metadata.created_s or 0.0) + 600
    found = changes([scaled], {"settings": edited}, [node], ["node-1"], now).changes
    assert [(one.what, one.where, one.who) for one in found] == [
        ("node joined the cluster", "Node/node-1", ""),
        ("scaled up from 1 to 3", "Deployment/web", ""),
        ("config map edited", "ConfigMap/settings", "helm"),
        ("Ready is False: KubeletDown", "Node/node-1", ""),
    ]
    assert changes([scaled], {}, [], [], now + 30 * 86400).changes == ()


def test_config_maps_that_settings_come_from() -> None:
    spec = made(
        core.PodSpec,
        containers=[
            {
                "name": "c",
                "envFrom": [{"configMapRef": {"name": "all"}}, {"secretRef": {"name": "hidden"}}],
                "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "one", "key": "a"}}}],
            }
        ],
    )
    assert config_maps(spec) == {"all", "one"}


def test_pods_of_a_stateful_set_are_counted_by_revision() -> None:
    revision = made(
        api.ControllerRevision,
        metadata={
            "name": "web-abc",
            "ownerReferences": [{"kind": "StatefulSet", "uid": "uid-workload", "controller": True}],
        },
        revision=4,
    )
    found = history("StatefulSet", workload(), [], [revision], [pod(labels={"controller-revision-hash": "web-abc"})])
    assert [(one.number, one.pods) for one in found.revisions] == [(4, 1)]
