from __future__ import annotations

import pytest

from tests.collect.kube_objects import at, event, made, pod
from unslow.collect.cluster_pods import Context, by_uid, is_sidecar, pods, restarts, seconds_of
from unslow.evidence.cluster import Usage
from unslow.kube import core


def test_a_pod_with_its_start_and_its_usage() -> None:
    told = [
        event(
            "Pulled", 'Successfully pulled image "team/web:1" in 4.5s (4.6s including waiting). Image size: 1000 bytes.'
        ),
        event("Unhealthy", "Readiness probe failed: timeout", count=4, fieldPath="spec.containers{web}"),
        event("Unhealthy", "Liveness probe failed: timeout", count=9, fieldPath="spec.containers{web}"),
        event(
            "Unhealthy",
            "Readiness probe failed: timeout",
            count=50,
            uid="somebody-else",
            fieldPath="spec.containers{web}",
        ),
    ]
    node = made(
        core.Node,
        metadata={"name": "node-1", "labels": {"topology.kubernetes.io/zone": "a"}},
        status={"images": [{"names": ["docker.io/team/web:1"], "sizeBytes": 77}]},
    )
    probed = pod(
        spec={
            "containers": [
                {"name": "web", "image": "team/web:1", "readinessProbe": {"httpGet": {"port": 8000, "path": "/ok"}}}
            ]
        }
    )
    context = Context(
        nodes={"node-1": node},
        usage={("web-1", "web"): Usage(cores=0.5)},
        events=by_uid(told),
        restarts_before={("uid-web-1", "web"): 0},
    )
    (found,) = pods([probed], context).pods
    (container,) = found.containers
    assert (found.zone, found.ready, found.qos) == ("a", True, "Burstable")
    assert (container.image_bytes, container.restarts_in_window) == (77, 0)
    assert container.usage == Usage(cores=0.5)
    assert [(one.kind, one.action, one.failures) for one in container.probes] == [("readiness", "http /ok:8000", 4)]
    assert found.start is not None
    assert (found.start.scheduling_s, found.start.pull_s, found.start.pulled_bytes) == (2.0, 4.5, 1000)
    assert found.start.starting_s == 8.0


def test_without_events_the_failures_are_not_known() -> None:
    probed = pod(spec={"containers": [{"name": "web", "livenessProbe": {"tcpSocket": {"port": 1}}}]})
    (found,) = pods([probed], Context(events=None)).pods
    assert found.containers[0].probes[0].failures is None
    assert found.start is not None
    assert found.start.pull_s is None


def test_an_image_that_was_there_costs_no_pull() -> None:
    told = by_uid([event("Pulled", 'Container image "team/web:1" already present on machine')])
    (found,) = pods([pod()], Context(events=told)).pods
    assert found.start is not None
    assert found.start.pull_s == 0.0


def test_a_killed_container_keeps_its_reason() -> None:
    status = {
        "name": "web",
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": at(9)}},
    }
    (found,) = pods([pod(status={"containerStatuses": [status]})], Context()).pods
    (container,) = found.containers
    assert container.state == "CrashLoopBackOff"
    assert container.last_termination is not None
    assert (container.last_termination.reason, container.last_termination.exit_code) == ("OOMKilled", 137)
    assert found.start is not None
    assert found.start.starting_s is None  # its readiness is no longer that of the first start


def test_restarts_of_the_window_are_told_by_the_pods_uid() -> None:
    before = restarts([pod()])
    assert before == {("uid-web-1", "web"): 0}
    status = {"containerStatuses": [{"name": "web", "restartCount": 2}]}
    (found,) = pods([pod(status=status)], Context(restarts_before=before)).pods
    assert found.containers[0].restarts_in_window == 2


def test_a_pending_pod_has_the_schedulers_words() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes: Insufficient cpu.",
    }
    (found,) = pods(
        [pod(spec={"nodeName": ""}, status={"phase": "Pending", "conditions": [condition]})], Context()
    ).pods
    assert (found.unschedulable, found.node, found.start) == ("0/1 nodes: Insufficient cpu.", "", None)


def test_helpers_are_told_from_the_application() -> None:
    containers = [{"name": "istio-proxy"}, {"name": "web"}]
    init = [{"name": "log-shipper", "restartPolicy": "Always"}, {"name": "migrate"}]
    (found,) = pods([pod(spec={"containers": containers, "initContainers": init})], Context()).pods
    assert {one.name: (one.sidecar, one.init) for one in found.containers} == {
        "log-shipper": (True, False),
        "migrate": (False, True),
        "istio-proxy": (True, False),
        "web": (False, False),
    }
    (alone,) = pods([pod(spec={"containers": [{"name": "envoy"}]})], Context()).pods
    assert not alone.containers[0].sidecar
    assert not is_sidecar(made(core.Container, name="web-envoy-admin"))


@pytest.mark.parametrize(("text", "seconds"), [("45ms", 0.045), ("1m2.5s", 62.5), ("2h", 7200.0), ("300µs", 3e-4)])
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)
