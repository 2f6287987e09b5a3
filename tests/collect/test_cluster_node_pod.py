"""The pod on a node: on a real cluster where there is one; its words and its output's reader everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kube.cluster import PYTHON, client, kubeconfig, namespace, needs_cluster
from unslow.collect import cluster_node_pod, node_reader
from unslow.collect.cluster_node_pod import LABEL, NODE, NodePods, explained, manifest, read
from unslow.errors import Unavailable
from unslow.kube import core
from unslow.kube.client import Client
from unslow.kube.config import load
from unslow.kube.errors import ApiError


@pytest.fixture(scope="module")
def api() -> Iterator[Client]:
    with client() as made:
        yield made


def pods_of(api: Client, where: str) -> list[core.Pod]:
    return list(api.items(f"/api/v1/namespaces/{where}/pods", core.Pod, labels=f"{LABEL}={NODE}"))


def first_node(api: Client) -> str:
    return next(api.items("/api/v1/nodes", core.Node)).metadata.name


@needs_cluster
def test_it_reads_the_node_and_leaves_nothing(api: Client) -> None:
    node = first_node(api)
    with namespace(api) as where:
        pods = NodePods(api, where, PYTHON)
        try:
            pods.start([node], 1.0)
            [look] = pods.looks()
        finally:
            pods.close()
        assert all(pod.metadata.deletion_timestamp for pod in pods_of(api, where))
    network = look.counters.network(node)
    assert network is not None
    assert network.segments_out is not None
    assert network.segments_out > 0
    # A pod's own namespace has one connection or none: these are the node's.
    assert (network.conntrack_count or 0) > 50
    assert (network.conntrack_max or 0) > 1000
    assert any(name.startswith("kubeproxy_sync_proxy_rules") for name, _ in look.proxy)


@needs_cluster
@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_pod_security_refuses_it_by_name_and_nothing_is_made(api: Client, level: str) -> None:
    with namespace(api, {"pod-security.kubernetes.io/enforce": level}) as where:
        with pytest.raises(Unavailable) as refused:
            NodePods(api, where, PYTHON).start([first_node(api)], 1.0)
        assert f"Pod Security level {level} of namespace {where}" in refused.value.missing
        assert "privileged" in refused.value.remedy
        assert pods_of(api, where) == []


@needs_cluster
def test_without_the_verb_it_is_named(api: Client) -> None:
    with namespace(api) as where, client(as_user="nobody-at-all") as nobody:
        with pytest.raises(Unavailable) as refused:
            NodePods(nobody, where, PYTHON).start([first_node(api)], 1.0)
        assert "get pods" in refused.value.missing


@needs_cluster
def test_what_an_earlier_run_left_is_taken_away(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    node = first_node(api)
    with namespace(api) as where:
        killed = NodePods(api, where, PYTHON)
        killed.start([node], 0.1)
        killed.looks()  # and never `close`
        left = {pod.metadata.name for pod in pods_of(api, where)}
        fresh = NodePods(api, where, PYTHON)
        try:
            fresh.start([node], 0.1)
            assert left <= {pod.metadata.name for pod in pods_of(api, where)}  # its maker may yet want to read it
        finally:
            fresh.close()
        monkeypatch.setattr(cluster_node_pod, "STALE_S", 0.0)
        later = NodePods(api, where, PYTHON)
        try:
            later.start([node], 0.1)
            still = {pod.metadata.name for pod in pods_of(api, where) if not pod.metadata.deletion_timestamp}
        finally:
            later.close()
    assert left
    assert not left & still


@needs_cluster
def test_it_cleans_up_when_its_time_is_over(api: Client) -> None:
    with namespace(api) as where, Client(load(kubeconfig()), deadline=time.monotonic() + 1.0) as hurried:
        pods = NodePods(hurried, where, PYTHON)
        pods.start([first_node(api)], 5.0)
        time.sleep(1.2)
        with pytest.raises(Unavailable):
            pods.looks()
        pods.close()
        assert all(pod.metadata.deletion_timestamp for pod in pods_of(api, where))


def test_it_asks_for_no_more_than_the_network() -> None:
    made = manifest("market", "node-a", "image", 5.0)
    spec, container = made["spec"], made["spec"]["containers"][0]
    assert spec["hostNetwork"] is True
    assert not {"hostPID", "hostIPC", "volumes"} & spec.keys()
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["activeDeadlineSeconds"] < 60
    assert spec["restartPolicy"] == "Never"
    assert spec["automountServiceAccountToken"] is False


def test_a_refusal_by_rights_names_the_verb() -> None:
    error = ApiError(403, "Forbidden", 'pods is forbidden: User "x" cannot create resource', asked="create pods")
    assert "create pods in namespace market" in explained(error, "market").missing


def test_a_full_quota_keeps_its_own_words() -> None:
    error = ApiError(403, "Forbidden", "exceeded quota: small, requested: pods=1", asked="create pods")
    assert "exceeded quota" in explained(error, "market").missing


def test_the_reader_needs_nothing_but_a_python_and_its_output_is_read_back(tmp_path: Path) -> None:
    proc = machine(tmp_path)
    text = Path(node_reader.__file__).read_text()
    program = text.replace('Path("/proc")', f"Path({str(proc)!r})")
    printed = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, "0.01"], capture_output=True, text=True, check=True
    ).stdout
    network = read("node-a", printed).counters.network("node-a")
    assert network is not None
    assert (network.conntrack_count, network.conntrack_max, network.conntrack_drops) == (900, 1000, 0)
    assert network.segments_out == 0


def machine(folder: Path) -> Path:
    files = {
        "sys/net/netfilter/nf_conntrack_max": "1000\n",
        "sys/net/netfilter/nf_conntrack_count": "900\n",
        "net/stat/nf_conntrack": "entries insert_failed drop early_drop\n384 0000000a 00000001 00000000\n384 00000001 00000000 00000002\n",
        "net/snmp": "Tcp: OutSegs RetransSegs\nTcp: 500 7\n",
        "net/netstat": "TcpExt: TCPTimeouts\nTcpExt: 3\n",
        "net/dev": "a\nb\n  eth0: 1 2 0 5 0 0 0 0 1 2 0 6 0 0 0 0\n  vethx: 1 2 0 9 0 0 0 0 1 2 0 9 0 0 0 0\n",
        "pressure/cpu": "some avg10=1.00 avg60=0.00 avg300=0.00 total=2500000\nfull total=0\n",
        "stat": "cpu 1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 200 9 10\nintr 5\n",
        "diskstats": "  8 0 sda 1 2 3 4 5 6 7 8 9 1500 11\n  7 0 loop0 1 2 3 4 5 6 7 8 9 99999 11\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_every_file_gives_its_reading(tmp_path: Path) -> None:
    found = {
        (name, labels.get("device", labels.get("mode", ""))): value
        for name, labels, value in node_reader.readings(machine(tmp_path))
    }
    assert found["node_nf_conntrack_stat_insert_failed", ""] == 11.0  # hexadecimal, of all processors
    assert found["node_netstat_Tcp_RetransSegs", ""] == 7.0
    assert found["node_network_transmit_drop_total", "eth0"] == 6.0
    assert ("node_network_transmit_drop_total", "vethx") not in found
    assert found["node_pressure_cpu_waiting_seconds_total", ""] == 2.5
    assert found["node_cpu_seconds_total", "steal"] == 2.0
    assert found["node_cpu_seconds_total", "idle"] == 0.04
    assert found["node_disk_io_time_seconds_total", "sda"] == 1.5
    assert ("node_disk_io_time_seconds_total", "loop0") not in found


def test_half_an_output_is_none() -> None:
    with pytest.raises(Unavailable, match="whole output"):
        read("node-a", json.dumps(["first", "node_nf_conntrack_entries", {}, 1.0]))
