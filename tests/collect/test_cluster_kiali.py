"""Kiali's graph, from a stand-in that answers in the documented shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kube.api_server import Answer, answering, status
from unslow.collect.cluster_kiali import SERVICE, edges, graph
from unslow.errors import Unavailable


def answer(*arrows: dict[str, Any]) -> dict[str, Any]:
    names = {"a": "shop", "b": "billing"}
    nodes = [
        {"data": {"id": key, "nodeType": "service", "namespace": "market", "service": name}}
        for key, name in names.items()
    ]
    return {
        "timestamp": 1,
        "graphType": "service",
        "elements": {"nodes": nodes, "edges": [{"data": one} for one in arrows]},
    }


ARROW = {
    "id": "e", "source": "a", "target": "b", "responseTime": "48",
    "traffic": {"protocol": "http", "rates": {"http": "12.50", "http5xx": "0.25", "httpPercentErr": "2.0"}},
}  # fmt: skip


def test_rate_errors_and_time_of_an_arrow() -> None:
    (found,) = edges(json.dumps(answer(ARROW)))
    assert (found.caller, found.callee) == ("shop", "billing")
    assert (found.requests_per_s, found.error_ratio, found.p95_s) == (12.5, 0.02, 0.048)
    assert found.words == "12.5 requests/s, p95 48.0 ms, 2.0% errors"


def test_an_idle_arrow_has_no_figures() -> None:
    (found,) = edges(json.dumps(answer({"id": "e", "source": "a", "target": "b", "traffic": {}})))
    assert found.words == ""


@pytest.mark.parametrize("time", ["NaN", "-1", "", "inf"])
def test_times_that_are_none(time: str) -> None:
    (found,) = edges(json.dumps(answer({**ARROW, "responseTime": time})))
    assert found.p95_s is None


def test_an_arrow_to_nowhere_is_left_out() -> None:
    assert edges(json.dumps(answer({**ARROW, "target": "gone"}))) == ()


@pytest.mark.parametrize("text", ["<html>login</html>", "[]", '{"elements": {"nodes": [{"data": {}}]}}'])
def test_an_answer_that_is_no_graph(text: str) -> None:
    with pytest.raises(Unavailable, match="no graph"):
        edges(text)


def test_it_is_asked_through_the_service_proxy() -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    def reply(path: str, query: dict[str, str], headers: object) -> Answer:
        asked.append((path, query))
        return Answer(answer(ARROW))

    with answering(reply) as client:
        assert len(graph(client, "market")) == 1
    assert asked[0][0] == SERVICE
    assert asked[0][1]["namespaces"] == "market"


def test_a_cluster_without_kiali() -> None:
    absent = status(404, "NotFound", "services kiali not found")
    with answering(lambda *_: absent) as client, pytest.raises(Unavailable) as caught:
        graph(client, "market")
    assert "Kiali" in caught.value.missing
    assert "install Kiali" in caught.value.remedy
