"""What is said of full containers and nodes, and what only a node would know."""

from __future__ import annotations

from tests.checks.cluster import container, node, nodes, pending, pod, pods, usage
from tests.runbook.situations import situation
from unslow.evidence.cluster import Cluster, Network, NodeNetwork
from unslow.evidence.probe import Probe
from unslow.runbook.utilisation import run

COUNTED = Network(parts=(NodeNetwork(name="node-a", conntrack_count=10, conntrack_max=100),))


def missing(cluster: Cluster) -> str:
    return " ".join(gap.missing for gap in run(situation(cluster=cluster)).gaps)


def test_use_limit_and_throttling_of_a_container() -> None:
    slow = pod("shop-1", container(cpu_limit_cores=0.2, usage=usage(cfs_periods=100, cfs_throttled_periods=50)))
    outcome = run(situation(cluster=Cluster(pods=pods(slow), nodes=nodes(node()))))
    assert "shop-1/app" in outcome.result[1]
    assert "50% of periods" in outcome.result[1]


def test_a_pending_pod_with_the_reason_of_the_scheduler() -> None:
    homeless = pending("shop-2", unschedulable="0/3 nodes are available")
    outcome = run(situation(cluster=Cluster(pods=pods(homeless), nodes=nodes(node()))))
    assert any("shop-2 is Pending: 0/3 nodes" in text for text in outcome.means)


def test_what_only_the_node_knows_is_a_gap_with_the_way_to_it() -> None:
    (gap,) = [one for one in run(situation(cluster=Cluster(nodes=nodes(node())))).gaps if "node node-a" in one.missing]
    assert "PSI" in gap.missing
    assert "conntrack" in gap.missing
    for word in ("kubectl debug node/node-a", "create pods", "privileged", "Fargate", "deleted"):
        assert word in gap.remedy


def test_what_was_read_of_the_node_is_no_gap() -> None:
    assert "PSI" not in missing(Cluster(nodes=nodes(node(cpu_pressure_ratio=0.1))))
    assert "conntrack" not in missing(Cluster(nodes=nodes(node()), network=COUNTED))
    assert "node node-a" not in missing(Cluster(nodes=nodes(node(cpu_pressure_ratio=0.1)), network=COUNTED))


def test_what_a_node_told_has_a_row() -> None:
    told = run(situation(cluster=Cluster(nodes=nodes(node(cpu_pressure_ratio=0.25, steal_ratio=0.1)), network=COUNTED)))
    head, row = told.result[-2:]
    assert head.split()[:4] == ["NODE", "WAIT", "FOR", "CPU"]
    assert row.split()[:2] == ["node-a", "25.0%"]
    assert "10.0%" in row
    unread = run(situation(cluster=Cluster(nodes=nodes(node()))))
    assert not any("CONNTRACK" in line for line in unread.result)


def test_a_refused_look_at_the_node_says_what_refused_it() -> None:
    level = "a pod in the node's network: Pod Security level restricted of namespace market forbids it"
    refused = Probe(
        name="node",
        rung="node",
        started_s=1.0,
        seconds=0.1,
        result="skipped",
        missing=level,
        remedy="another namespace",
    )
    (gap,) = [
        one
        for one in run(situation(cluster=Cluster(nodes=nodes(node())), probes=(refused,))).gaps
        if "node node-a" in one.missing
    ]
    assert gap.remedy.startswith(f"{level}: another namespace; by hand: kubectl debug")
