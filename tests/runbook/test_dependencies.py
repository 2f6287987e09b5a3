"""The service graph: who told of each arrow, and what is known of its end."""

from __future__ import annotations

from tests.checks.cluster import container, pod, pods
from tests.checks.verbs import peer, sockets
from tests.kube.api_server import Answer, answering, status
from tests.runbook.situations import situation
from unslow.collect.cluster_kiali import Edge
from unslow.evidence.cluster import Cluster, Endpoint, Service, Services
from unslow.evidence.spans import Call, Spans
from unslow.runbook.dependencies import drawn, run, short

CALL = Call(caller="shop-api", callee="billing", operation="GET", calls_per_trace=2.0, critical_s=0.004)
SPANS = Spans(source="test", spans=20, traces=10, service="shop-api", calls=(CALL,))
MESHED = Cluster(pods=pods(pod("shop-1", container(), container(name="istio-proxy", sidecar=True))))


def calls(*ends: Endpoint, name: str = "billing") -> Services:
    return Services(services=(Service(name=name, namespace="market", role="dependency", endpoints=ends),))


def test_one_arrow_told_by_four_sources() -> None:
    known = situation(
        cluster=Cluster(services=calls(Endpoint(address="10.0.0.1"))),
        sockets=sockets(peer(name="billing.market.svc.cluster.local:80")),
        spans=SPANS,
    )
    graph = drawn(known, (Edge(caller="shop", callee="billing", requests_per_s=4.0, p95_s=0.02),))
    assert list(graph) == [("shop", "billing")]
    edge = graph["shop", "billing"]
    assert edge.sources == ["environment", "connections", "traces", "mesh metrics"]
    assert "; ".join(edge.measured) == (
        "2.0 connections; 2.0 calls a trace, 4.0 ms on the way; 4.0 requests/s, p95 20.0 ms"
    )


def test_arrows_between_others_are_drawn_too() -> None:
    further = Call(caller="billing", callee="ledger", operation="GET", calls_per_trace=1.0, critical_s=0.0)
    graph = drawn(situation(spans=Spans(source="t", spans=1, traces=1, service="shop-api", calls=(CALL, further))))
    assert set(graph) == {("shop", "billing"), ("billing", "ledger")}


def test_ready_is_said_only_of_what_was_read() -> None:
    outcome = run(
        situation(cluster=Cluster(services=calls(Endpoint(address="10.0.0.1"))), sockets=sockets(peer(name="ledger")))
    )
    said = "\n".join(outcome.means)
    assert "All endpoints of billing are ready." in said
    assert "Whether ledger is ready is not known" in said
    assert any("1 of 1" in line for line in outcome.result)
    assert any("ledger" in line and "not known" in line for line in outcome.result)


def test_a_dependency_that_is_not_ready() -> None:
    outcome = run(situation(cluster=Cluster(services=calls(Endpoint(address="10.0.0.1", ready=False)))))
    assert any("none of 1 endpoints is ready" in text for text in outcome.means)
    assert not any("All endpoints" in text for text in outcome.means)


def test_no_dependency_is_a_gap_with_its_remedy() -> None:
    outcome = run(situation())
    assert outcome.result == ()
    assert any("--spans" in gap.remedy for gap in outcome.gaps)


def test_a_name_is_shortened_and_an_address_is_not() -> None:
    assert short("billing.market.svc.cluster.local:80", "market") == "billing"
    assert short("billing.market", "market") == "billing"
    assert short("billing:80", "market") == "billing"
    for elsewhere in ("10.0.0.7:5432", "billing.bank.svc:80", "db.example.com:5432"):
        assert short(elsewhere, "market") == elsewhere


def test_kiali_is_asked_only_where_pods_have_a_proxy() -> None:
    asked: list[str] = []

    def refuse(path: str, query: dict[str, str], headers: object) -> Answer:
        asked.append(path)
        return status(403, "Forbidden", "no")

    with answering(refuse) as client:
        assert run(situation(client)).gaps
        assert asked == []
        outcome = run(situation(client, cluster=MESHED))
    assert len(asked) == 1
    assert any("Kiali" in gap.missing and "services/proxy" in gap.remedy for gap in outcome.gaps)
