"""Faults of a cluster through the whole diagnosis: the right cause comes first, with and without milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.checks.cluster import (
    autoscalers,
    container,
    cpu_metric,
    hpa,
    node,
    nodes,
    pending,
    pod,
    pods,
    timed,
    usage,
    workload,
)
from tests.checks.verbs import requests, sockets
from tests.evidences import evidence
from unslow.bundle import read, write
from unslow.diagnose import diagnose
from unslow.diagnosis import Diagnosis
from unslow.evidence.cluster import (
    Cluster,
    Dns,
    Endpoint,
    Handler,
    Latency,
    Lookup,
    Neighbour,
    Network,
    NodeNetwork,
    Policies,
    Quotas,
    Revision,
    Service,
    Services,
    Start,
)

START_S = 1000.0
"""Of the window that `evidence` has; it lasts ten seconds."""


def slow_by_queue(cluster: Cluster) -> Diagnosis:
    """200 ms, of which 150 ms are waiting for a worker."""
    return diagnose(evidence(cluster=cluster, requests=requests(*[200.0] * 100), sockets=sockets(queued=3.0)))


def slow(cluster: Cluster) -> Diagnosis:
    """200 ms, and nobody looked inside."""
    return diagnose(evidence(cluster=cluster, requests=requests(*[200.0] * 100)))


def healthy(**changes: Any) -> Cluster:
    """Three pods on two nodes, each part read and nothing wrong with it."""
    twins = pods(timed("a", 20.0), timed("b", 21.0, node="node-b"), timed("c", 20.0, node="node-b"))
    normal: dict[str, Any] = {
        "workload": workload(),
        "pods": twins,
        "nodes": nodes(node(), node("node-b")),
        "services": services("a", "b", "c"),
        "autoscalers": autoscalers(hpa()),
        "quotas": Quotas(),
        "policies": Policies(),
        "dns": Dns(ndots=5, search_domains=3, lookups=(Lookup(name="billing", times_s=(0.002, 0.003), queries=2),)),
        "network": Network(parts=(NodeNetwork(name="node-a", segments_out=9000, retransmitted=1),)),
    }
    return Cluster(**(normal | changes))


def services(*ready: str, unready: tuple[str, ...] = ()) -> Services:
    endpoints = [Endpoint(address=f"10.0.0.{name}", pod=name, ready=name in ready) for name in (*ready, *unready)]
    return Services(services=(Service(name="shop", namespace="market", endpoints=tuple(endpoints)),))


def unready(name: str, **changes: Any) -> Any:
    return pod(name, container(ready=False, **changes), ready=False, ready_since_s=None)


def one_of_three() -> Cluster:
    crash = {"state": "CrashLoopBackOff"}
    return healthy(
        workload=workload(replicas_ready=1),
        pods=pods(timed("a", 20.0), unready("b", **crash), unready("c", **crash)),
        services=services("a", unready=("b", "c")),
    )


def bad_readiness_probe() -> Cluster:
    probe = Handler(
        kind="readiness", action="http /redy:8000", failures=30, message="HTTP probe failed with statuscode: 404"
    )
    return healthy(
        workload=workload(replicas_ready=1),
        pods=pods(timed("a", 20.0), unready("b", probes=(probe,)), unready("c", probes=(probe,))),
        services=services("a", unready=("b", "c")),
    )


def at_maximum() -> Cluster:
    return healthy(autoscalers=autoscalers(hpa(cpu_metric(1.6), replicas_now=5, replicas_desired=5)))


def no_room() -> Cluster:
    said = "0/2 nodes are available: 2 Insufficient cpu"
    homeless = [pending(n, container(cpu_request_cores=9.0), unschedulable=said, created_s=500.0) for n in ("b", "c")]
    return healthy(workload=workload(replicas_ready=1), pods=pods(timed("a", 20.0), *homeless), services=services("a"))


def slow_image() -> Cluster:
    coming = pod(
        "b",
        container(ready=False, started_s=START_S - 5.0, probes=(Handler(kind="readiness", failures=0),)),
        ready=False,
        ready_since_s=None,
        created_s=START_S - 100.0,
        start=Start(scheduling_s=0.5, pull_s=90.0),
    )
    return healthy(
        workload=workload(replicas_wanted=2, replicas_ready=1),
        pods=pods(timed("a", 20.0), coming),
        services=services("a", unready=("b",)),
    )


CAPACITY = {
    "service_has_few_ready_endpoints": one_of_three,
    "probe_kills_pods": bad_readiness_probe,
    "hpa_at_max": at_maximum,
    "pods_pending": no_room,
    "slow_cold_start": slow_image,
}


@pytest.mark.parametrize("name", CAPACITY)
def test_missing_capacity_owns_the_queue(name: str) -> None:
    first = slow_by_queue(CAPACITY[name]()).causes[0]
    assert first.check == name
    assert first.excess_ms == pytest.approx(150.0)


@pytest.mark.parametrize("name", CAPACITY)
def test_without_a_measured_queue_it_still_comes_first_and_claims_nothing(name: str) -> None:
    first = slow(CAPACITY[name]()).causes[0]
    assert (first.check, first.excess_ms) == (name, 0.0)


def throttled() -> Cluster:
    stopped = usage(cores=0.1, cfs_periods=100, cfs_throttled_periods=80, cfs_throttled_s=7.0)
    limited = container(cpu_limit_cores=0.1, usage=stopped)
    slow_pods = [timed(name, 200.0, containers=(limited,)) for name in ("a", "b", "c")]
    return healthy(pods=pods(*slow_pods))


def one_slow() -> Cluster:
    return healthy(pods=pods(timed("a", 20.0), timed("b", 21.0, node="node-b"), timed("c", 500.0, node="node-b")))


def greedy_neighbour() -> Cluster:
    miner = Neighbour(namespace="batch", pod="miner", cores=3.4, cpu_request_cores=0.1)
    waiting = container(usage=usage(cpu_pressure_ratio=0.7))
    pods_there = [timed(name, 200.0, containers=(waiting,)) for name in ("a", "b", "c")]
    return healthy(pods=pods(*pods_there), nodes=nodes(node("node-a", miner, used_cores=4.0, target_pods=3)))


def greedy_neighbour_of_one() -> Cluster:
    """Only the pod on the full node is slow: the node, not the pod, is the cause."""
    miner = Neighbour(namespace="batch", pod="miner", cores=3.4, cpu_request_cores=0.1)
    waiting = container(usage=usage(cpu_pressure_ratio=0.9))
    return healthy(
        pods=pods(timed("a", 500.0, containers=(waiting,)), timed("b", 20.0, node="node-b")),
        nodes=nodes(node("node-a", miner, used_cores=4.0), node("node-b")),
    )


def lossy() -> Cluster:
    lost = NodeNetwork(name="a", scope="pod", segments_out=9000, retransmitted=600, timeouts=500)
    return healthy(network=Network(parts=(lost,)))


def bad_rollout() -> Cluster:
    new = [timed(name, 380.0, version="v2", created_s=900.0) for name in ("c", "d")]
    old = [timed(name, 20.0, created_s=100.0) for name in ("a", "b")]
    revision = Revision(number=2, at_s=900.0, version="v2", changed=("image shop:1 -> shop:2",))
    return healthy(pods=pods(*old, *new), workload=workload(revisions=(revision,)))


COSTLY = {
    "cpu_throttled": throttled,
    "one_slow_pod": one_slow,
    "noisy_neighbour": greedy_neighbour,
    "network_retransmits": lossy,
    "recently_deployed": bad_rollout,
}


@pytest.mark.parametrize("name", COSTLY)
def test_readings_of_the_cluster_make_milliseconds_where_nobody_looked_inside(name: str) -> None:
    diagnosis = slow(COSTLY[name]())
    assert diagnosis.causes[0].check == name
    assert diagnosis.causes[0].excess_ms > 50.0
    assert diagnosis.verdict == "slow"
    lines = sum(line.excess_ms for line in diagnosis.account.lines)
    assert lines + diagnosis.account.unexplained_ms == pytest.approx(diagnosis.account.excess_ms)
    assert lines <= diagnosis.account.excess_ms + 1e-6


def test_a_full_node_under_one_pod() -> None:
    causes = slow(greedy_neighbour_of_one()).causes
    assert causes[0].check == "noisy_neighbour"


def test_a_name_that_nobody_answers() -> None:
    broken = Dns(lookups=(Lookup(name="billing", times_s=(5.004,), failures=1), Lookup(name="db", times_s=(0.002,))))
    assert slow(healthy(dns=broken)).causes[0].check == "dns_latency"


def test_a_healthy_cluster_has_no_cause() -> None:
    diagnosis = diagnose(evidence(cluster=healthy(), requests=requests(*[20.0] * 100), sockets=sockets()))
    assert (diagnosis.verdict, diagnosis.causes) == ("healthy", ())


def test_a_slow_service_in_a_healthy_cluster_blames_nothing_in_it() -> None:
    assert slow(healthy()).causes == ()


def test_the_mean_of_pods_is_pooled_not_averaged() -> None:
    """A pod with few requests costs the mean little, however slow it is."""
    rare = pods(timed("a", 20.0, 2000.0), timed("b", 900.0, 25.0, node="node-b"))
    assert rare.pods[1].latency == Latency(requests=25.0, mean_s=0.9)
    assert all(cause.excess_ms < 20.0 for cause in slow(healthy(pods=rare)).causes)


def test_a_sure_cause_without_milliseconds_stands_in_the_sentence() -> None:
    said = slow(one_of_three()).headline
    assert "nothing stands out" not in said
    assert "service shop has 1 ready of 3 endpoints" in said


@pytest.mark.parametrize("make", [*CAPACITY.values(), *COSTLY.values()])
def test_a_cluster_comes_back_from_a_bundle_as_it_was(make: Any, tmp_path: Path) -> None:
    whole = evidence(cluster=make(), requests=requests(*[200.0] * 10))
    write(tmp_path / "incident.unslow", whole)
    assert read(tmp_path / "incident.unslow") == whole


def test_a_sure_cause_is_said_where_no_response_time_was_measured() -> None:
    said = diagnose(evidence(cluster=no_room())).headline
    assert said.endswith("no response time could be measured. Likely: pods find no node.")
