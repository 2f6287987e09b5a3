from __future__ import annotations

import pytest

from tests.measure.test_span_calls import request, span, table
from unslow.traced import service_map, traced_requests


def test_each_service_has_its_own_time_and_each_way_its_own() -> None:
    drawn = service_map(table(*(request(number) for number in range(6))), None)
    assert drawn is not None
    assert {node.service: node.now_ms for node in drawn.nodes} == pytest.approx({"shop": 20, "bank": 18, "ledger": 50})
    assert {(call.caller, call.callee): call.now_ms for call in drawn.calls} == pytest.approx(
        {("shop", "bank"): 10, ("bank", "ledger"): 2}
    )
    assert [node.service for node in drawn.nodes if node.target] == ["shop"]
    assert all(node.before_ms is None for node in drawn.nodes)


def test_together_they_are_the_whole_request() -> None:
    spans = table(*(request(number) for number in range(6)))
    drawn = service_map(spans, None)
    assert drawn is not None
    whole = sum(node.now_ms for node in drawn.nodes) + sum(call.now_ms for call in drawn.calls)
    assert whole == pytest.approx(100.0)


def test_against_a_reference_the_grown_one_comes_first() -> None:
    drawn = service_map(table(*(request(n, 90) for n in range(6))), table(*(request(n, 10) for n in range(6))))
    assert drawn is not None
    assert (drawn.nodes[0].service, drawn.nodes[0].before_ms) == ("ledger", pytest.approx(10))


def test_of_a_service_that_is_not_traced_the_waiting_is_its_own() -> None:
    call = span(1, "b", "a", "shop", "client", 10, 60, "http://maps.example:80/route")
    drawn = service_map(table([span(1, "a", None, "shop", "server", 0, 100), call]), None)
    assert drawn is not None
    assert [(node.service, node.now_ms, node.traced) for node in drawn.nodes] == [
        ("maps.example:80", pytest.approx(50), False),
        ("shop", pytest.approx(50), True),
    ]


def test_without_traces_or_calls_there_is_no_map() -> None:
    assert service_map(None, None) is None
    assert service_map(table([span(1, "a", None, "shop", "server", 0, 100)]), None) is None
    assert traced_requests(None) == ()
