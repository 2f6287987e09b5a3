from __future__ import annotations

import pytest

from unslow.evidence.cluster import NodeNetwork
from unslow.measure.cluster_network import (
    conntrack_ratio,
    loses_packets,
    makes_requests_wait,
    retransmitted_ratio,
    timeout_s_per_request,
)


def test_the_share_that_was_sent_again() -> None:
    assert retransmitted_ratio(NodeNetwork(name="n", segments_out=1000, retransmitted=15)) == pytest.approx(0.015)
    assert retransmitted_ratio(NodeNetwork(name="n", segments_out=100, retransmitted=15)) is None


@pytest.mark.parametrize(("retransmitted", "loses"), [(9, False), (10, True)])
def test_one_in_a_hundred(retransmitted: int, loses: bool) -> None:
    assert loses_packets(NodeNetwork(name="n", segments_out=1000, retransmitted=retransmitted)) is loses


def test_timeouts_of_a_node_are_not_those_of_the_requests() -> None:
    node = NodeNetwork(name="n", timeouts=100)
    pod = NodeNetwork(name="p", scope="pod", timeouts=50)
    assert timeout_s_per_request([node], 100.0) is None
    assert timeout_s_per_request([node, pod], 100.0) == pytest.approx(0.1)
    assert timeout_s_per_request([pod], 0.0) is None


@pytest.mark.parametrize(("scope", "timeouts", "waits"), [("pod", 5, True), ("pod", 4, False), ("node", 50, False)])
def test_timeouts_among_many_segments(scope: str, timeouts: int, waits: bool) -> None:
    part = NodeNetwork(name="p", scope=scope, segments_out=10**6, retransmitted=20, timeouts=timeouts)  # type: ignore[arg-type]
    assert makes_requests_wait(part, 100.0) is waits
    assert not makes_requests_wait(part, 10_000.0)


def test_a_timeout_of_opening_costs_a_second() -> None:
    pod = NodeNetwork(name="p", scope="pod", timeouts=50, opening_retransmitted=10)
    assert timeout_s_per_request([pod], 100.0) == pytest.approx((40 * 0.2 + 10 * 1.0) / 100)


def test_the_connection_table() -> None:
    assert conntrack_ratio(NodeNetwork(name="n", conntrack_count=9, conntrack_max=10)) == 0.9
    assert conntrack_ratio(NodeNetwork(name="n", conntrack_count=9)) is None
