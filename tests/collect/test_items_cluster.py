from __future__ import annotations

import msgspec
import pytest

from tests import test_cluster_causes as causes
from tests.checks.verbs import requests, sockets
from tests.evidences import evidence
from unslow.collect.items import items
from unslow.collect.items_cluster import cluster_items
from unslow.diagnose import diagnose
from unslow.evidence.cluster import Cluster, Cni, Network, NodeNetwork


@pytest.mark.parametrize("name", [*causes.CAPACITY, *causes.COSTLY])
def test_what_a_cause_or_a_line_of_a_cluster_cites_exists(name: str) -> None:
    make = (causes.CAPACITY | causes.COSTLY)[name]
    whole = evidence(cluster=make(), requests=requests(*[200.0] * 100), sockets=sockets(queued=2.0))
    diagnosis = diagnose(msgspec.structs.replace(whole, items=items(whole)))
    known = {item.id for item in diagnosis.evidence}
    cited = {id_ for line in diagnosis.account.lines for id_ in line.evidence}
    cited |= {id_ for cause in diagnosis.causes for id_ in cause.evidence}
    assert diagnosis.causes
    assert cited <= known


def test_each_fact_has_a_command_that_names_the_namespace() -> None:
    facts = {item.id: item for item in cluster_items(evidence(cluster=causes.healthy()))}
    assert facts["pods"].command.startswith("kubectl get pods -n market")
    assert (facts["pods"].value, facts["pods"].n) == (3.0, 3)
    assert facts["pods.latency"].value == pytest.approx(21.0)
    assert facts["dns"].value == pytest.approx(2.5)
    assert all(fact.command for fact in facts.values())


def test_what_is_absent_is_not_listed() -> None:
    assert list(cluster_items(evidence(cluster=Cluster()))) == list(cluster_items(evidence())) == []


def test_what_nodes_and_kube_proxy_told() -> None:
    network = Network(
        parts=(
            NodeNetwork(name="node-a", conntrack_count=10, conntrack_max=100),
            NodeNetwork(name="node-b", conntrack_count=97, conntrack_max=100),
        )
    )
    cni = Cni(kind="calico", rules=9000, sync_p99_s=0.95)
    facts = {item.id: item for item in cluster_items(evidence(cluster=Cluster(network=network, cni=cni)))}
    assert (facts["conntrack"].value, facts["conntrack"].unit) == (97.0, "%")
    assert "node-b" in facts["conntrack"].title
    assert (facts["kube-proxy"].value, facts["kube-proxy-sync"].value) == (9000.0, 950.0)
