from __future__ import annotations

import msgspec
import pytest

from tests.checks.cluster import WINDOW, pod, pods
from tests.checks.verbs import account, finds, is_clear, line, peer, sockets
from unslow.checks import all_checks
from unslow.evidence.cluster import Cni, Network, NodeNetwork
from unslow.evidence.packets import Packets
from unslow.finding import Skipped

ON_THE_WAY = account(line("network", "between here and billing", 60.0))


def network(retransmitted: int, segments: int = 10_000, **changes: object) -> Network:
    part = NodeNetwork(name="node-a", retransmitted=retransmitted, segments_out=segments, **changes)  # type: ignore[arg-type]
    return Network(parts=(part, NodeNetwork(name="node-b", retransmitted=1, segments_out=20_000)))


def test_one_segment_in_twenty() -> None:
    found = finds("network_retransmits", 60.0, network=network(500, drops=600), window=WINDOW, account=ON_THE_WAY)
    assert "node node-a: 5.00% of 10000 segments sent again" in found.because
    assert "1 of 2 places" in found.because


def test_timeouts_of_the_pods_are_milliseconds_of_whatever_waited() -> None:
    # 20 requests/s over 60 s; 300 timeouts of at least 200 ms: 50 ms a request.
    lossy = network(500, scope="pod", timeouts=300)
    split = account(line("db query", "q", 60.0), line("queue", "w", 20.0), line("cpu code", "f", 20.0))
    found = finds("network_retransmits", 50.0, network=lossy, window=WINDOW, account=split)
    assert {claim.line: round(claim.ms, 1) for claim in found.claims} == {"db query: q": 37.5, "queue: w": 12.5}


def test_another_network_plugin_only_with_milliseconds() -> None:
    calico = Cni(kind="calico", version="3.30")
    with_ms = finds("network_retransmits", network=network(500), window=WINDOW, cni=calico, account=ON_THE_WAY)
    without = finds("network_retransmits", network=network(500), window=WINDOW, cni=calico, account=account())
    assert any("calico" in step for step in with_ms.next_steps)
    assert not any("calico" in step for step in without.next_steps)


@pytest.mark.parametrize(
    ("plugin", "words"), [(Cni(kind=""), "network plugin:"), (Cni(kind="cilium"), "plugin (cilium):")]
)
def test_a_plugin_of_which_little_is_known_leaves_no_empty_brackets(plugin: Cni, words: str) -> None:
    found = finds("network_retransmits", network=network(500), window=WINDOW, cni=plugin, account=ON_THE_WAY)
    assert words in found.next_steps[-1]


def test_no_check_proposes_a_plugin_for_time_that_the_code_takes() -> None:
    """Loss is measured, but the milliseconds are the code's own."""
    busy = account(line("cpu code", "f", 60.0))
    known = Cni(kind="aws-node", version="v1.19", proxy_mode="iptables", rules=40_000)
    found = finds("network_retransmits", 0.0, network=network(500), window=WINDOW, cni=known, account=busy)
    assert not any("plugin" in step or "instance" in step for step in found.next_steps)


def test_a_larger_instance_only_with_milliseconds_and_an_exceeded_allowance() -> None:
    exceeded = network(500, allowance_exceeded=9000)
    assert any(
        "larger instance" in step
        for step in finds("network_retransmits", network=exceeded, window=WINDOW, account=ON_THE_WAY).next_steps
    )
    assert not any(
        "larger instance" in step
        for step in finds("network_retransmits", network=exceeded, window=WINDOW, account=account()).next_steps
    )


def test_counters_of_the_pod_that_was_looked_into() -> None:
    # 1200 requests in 60 s; 60 openings of a second and 60 timeouts of 200 ms: 60 ms a request.
    seen = Packets(seconds=60.0, segments_out=9000, retransmitted=400, opening_retransmitted=60, timeouts=120)
    waits = account(line("downstream", "calls to billing", 80.0))
    inside = pods(pod("a"), looked_into="a")
    found = finds("network_retransmits", 60.0, window=WINDOW, pods=inside, packets=seen, account=waits)
    assert (found.place, found.evidence) == ("pod a", ("packets",))
    is_clear("network_retransmits", window=WINDOW, pods=pods(pod("a")), packets=seen, sockets=sockets(), account=waits)
    shared = pods(pod("a", host_network=True), looked_into="a")
    is_clear("network_retransmits", window=WINDOW, pods=shared, packets=seen, sockets=sockets(), account=waits)


def test_the_targets_own_connections() -> None:
    # 20 requests/s, 4 packets/s sent again: 0.2 a request, at 200 ms each 40 ms.
    lossy = sockets(peer(retransmits_per_s=4.0))
    waits = account(line("downstream", "calls to billing", 60.0))
    found = finds("network_retransmits", 40.0, window=WINDOW, sockets=lossy, account=waits)
    assert "240 packets" in found.because
    assert found.place == "between the target and billing"


def test_a_lost_packet_of_a_new_connection_costs_more() -> None:
    lossy = sockets(peer(retransmits_per_s=1.0, opened_per_s=20.0))
    finds("network_retransmits", 50.0, window=WINDOW, sockets=lossy, account=account(line("downstream", "c", 60.0)))


def test_loss_towards_the_callers() -> None:
    lossy = msgspec.structs.replace(sockets(), retransmits_per_s=4.0)
    found = finds("network_retransmits", 0.0, window=WINDOW, sockets=lossy, account=account())
    assert "its callers" in found.title


def test_one_packet_in_a_hundred_requests() -> None:
    is_clear("network_retransmits", window=WINDOW, sockets=sockets(peer(retransmits_per_s=0.2)), account=ON_THE_WAY)


def test_nothing_read() -> None:
    assert all_checks()["network_retransmits"](window=WINDOW) == Skipped("sockets")


@pytest.mark.parametrize(("retransmitted", "segments"), [(90, 10_000), (4, 210), (3, 20)])
def test_little_loss_or_few_segments(retransmitted: int, segments: int) -> None:
    counted = network(retransmitted, segments, scope="pod")
    is_clear("network_retransmits", network=counted, window=WINDOW, account=ON_THE_WAY)


def test_a_long_way_without_loss() -> None:
    counted = network(0, rtt_s=0.2, scope="pod")
    is_clear("network_retransmits", network=counted, window=WINDOW, account=ON_THE_WAY)


def test_a_node_without_loss_clears_no_pod() -> None:
    # Its counters are of its own network namespace: the pods' connections are counted in theirs.
    check = all_checks()["network_retransmits"]
    assert check(network=network(0), window=WINDOW, account=ON_THE_WAY) == Skipped("sockets")
