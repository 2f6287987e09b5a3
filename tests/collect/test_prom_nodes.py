"""Nodes as node-exporter shows them, asked of a real Prometheus that holds its documented series."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.collect.backfilled import END_S, Series, knowing, rising, series, steady
from unslow.collect import prom_nodes
from unslow.collect.node_counters import Node, counter
from unslow.collect.prometheus_api import Api
from unslow.errors import Unavailable
from unslow.kube import core
from unslow.kube.meta import Meta

NAMES = {"node-a": "node-a", "10.0.0.1": "node-a"}


def exported(instance: str, nodename: str, entries: float = 900.0) -> Series:
    by = {"instance": instance, "job": "node"}
    return {
        **series("node_uname_info", steady(1.0), nodename=nodename, **by),
        **series("node_nf_conntrack_entries", steady(entries), **by),
        **series("node_nf_conntrack_entries_limit", steady(1000.0), **by),
        **series("node_nf_conntrack_stat_drop", rising(0.1), **by),
        **series("node_nf_conntrack_stat_insert_failed", rising(0.2), **by),
        **series("node_netstat_Tcp_OutSegs", rising(100.0), **by),
        **series("node_netstat_Tcp_RetransSegs", rising(2.0), **by),
        **series("node_network_receive_drop_total", rising(1.0), device="eth0", **by),
        **series("node_network_receive_drop_total", rising(50.0), device="veth12", **by),
        **series("node_pressure_cpu_waiting_seconds_total", rising(0.5), **by),
        **series("node_cpu_seconds_total", rising(0.3), cpu="0", mode="steal", **by),
        **series("node_cpu_seconds_total", rising(0.1), cpu="1", mode="steal", **by),
        **series("node_cpu_seconds_total", rising(0.9), cpu="0", mode="idle", **by),
        **series("node_cpu_seconds_total", rising(0.05), cpu="0", mode="iowait", **by),
        **series("node_cpu_seconds_total", rising(0.25), cpu="1", mode="idle", **by),
        **series("node_cpu_seconds_total", rising(0.7), cpu="1", mode="user", **by),
        **series("node_disk_io_time_seconds_total", rising(0.4), device="sda", **by),
        **series("node_disk_io_time_seconds_total", rising(0.95), device="sdb", **by),
        **series("node_disk_io_time_seconds_total", rising(1.0), device="loop3", **by),
    }


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    found = {**exported("10.0.0.1:9100", "ip-10-0-0-1"), **exported("10.0.0.9:9100", "stranger", 5.0)}
    with knowing(tmp_path_factory.mktemp("prometheus"), found) as address:
        yield Api(address)


def test_the_node_is_known_by_its_address_and_strangers_are_left_out(api: Api) -> None:
    found = prom_nodes.counters(api, NAMES, END_S)
    assert list(found) == ["node-a"]
    network = found["node-a"].network("node-a")
    assert network is not None
    assert (network.conntrack_count, network.conntrack_max) == (900, 1000)
    assert network.over_s == pytest.approx(300.0, abs=16.0)
    assert network.retransmitted == pytest.approx(2.0 * (network.over_s or 0), abs=3)
    assert network.segments_out == pytest.approx(100.0 * (network.over_s or 0), abs=150)
    assert network.conntrack_drops == pytest.approx(0.3 * (network.over_s or 0), abs=2)
    assert network.drops == pytest.approx(1.0 * (network.over_s or 0), abs=2)  # not those of the pods' own wires


def test_shares_of_the_time(api: Api) -> None:
    assert prom_nodes.counters(api, NAMES, END_S)["node-a"].pressures() == {
        "cpu_pressure_ratio": pytest.approx(0.5),
        "steal_ratio": pytest.approx(0.2),  # mean of both cores; idle time is not stolen
        "disk_busy_ratio": pytest.approx(0.95),  # the busiest that is a disk
    }


def test_how_busy_the_cores_are(api: Api) -> None:
    assert prom_nodes.counters(api, NAMES, END_S)["node-a"].busy_ratio() == pytest.approx(1 - (0.95 + 0.25) / 2)
    assert Node(()).busy_ratio() is None


def test_a_server_that_scrapes_none_of_them(api: Api) -> None:
    with pytest.raises(Unavailable, match="node-exporter"):
        prom_nodes.counters(api, {"node-z": "node-z"}, END_S)


def test_names_of_a_node() -> None:
    status = core.NodeStatus(addresses=(core.NodeAddress("InternalIP", "10.0.0.1"), core.NodeAddress("Hostname", "h")))
    assert prom_nodes.names_of([core.Node(metadata=Meta(name="n"), status=status)]) == {
        "n": "n",
        "10.0.0.1": "n",
        "h": "n",
    }


def test_a_restart_loses_nothing() -> None:
    one = counter("c", {}, [(0.0, 90.0), (15.0, 100.0), (30.0, 4.0), (45.0, 6.0)])
    assert one is not None
    assert (one.grown, one.last, one.seconds) == (16.0, 6.0, 45.0)


def test_one_reading_is_no_difference() -> None:
    one = counter("node_netstat_Tcp_OutSegs", {}, [(0.0, 90.0)])
    assert one is not None
    assert one.grown is None
    assert Node((one,)).network("n") is None
    assert Node((one,)).pressures() == {}
