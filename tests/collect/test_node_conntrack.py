"""A connection table that is really full: of a network namespace of its own, so that nobody else notices."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checks.verbs import finds
from unslow.collect import node_reader
from unslow.collect.cluster_node_pod import read
from unslow.evidence.cluster import Network

MAXIMUM = Path("/proc/sys/net/netfilter/nf_conntrack_max")
MOST = 600_000
"""Filling a larger table takes too long for a test."""
PROGRAM = """
import importlib.util, socket, sys, time, types

def fill(_):
    left, out = int(sys.argv[2]), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for host in range(2, 250):
        for port in range(20000, 30000):
            if left:
                left -= 1
                try:
                    out.sendto(b"", (f"127.9.{host}.1", port))
                except OSError:
                    pass

spec = importlib.util.spec_from_file_location("reader", sys.argv[1])
reader = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reader)
reader.time = types.SimpleNamespace(sleep=fill, monotonic=time.monotonic)
reader.main(0.0)
"""
"""Fills the table between both readings. Each datagram is a connection to the kernel, for half a minute."""
SCRIPT = """
ip link set lo up && iptables -A OUTPUT -m conntrack --ctstate NEW -j ACCEPT || exit 77
exec "$@"
"""


def maximum() -> int:
    missing = [tool for tool in ("unshare", "ip", "iptables") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0 or not MAXIMUM.exists():
        pytest.skip("a network namespace of one's own with a connection table needs root, unshare, ip and iptables")
    size = int(MAXIMUM.read_text())
    if size > MOST:
        pytest.skip(f"the table of this machine has {size} entries")
    return size


@pytest.mark.parametrize(("share", "confidence"), [(1.03, 0.7), (0.95, 0.35)])
def test_a_full_table_is_named(share: float, confidence: float) -> None:
    size = maximum()
    program = str(Path(node_reader.__file__))
    ran = subprocess.run(
        ["unshare", "-n", "sh", "-c", SCRIPT, "sh", sys.executable, "-c", PROGRAM, program, str(int(size * share))],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode == 77 or "unshare" in ran.stderr:
        pytest.skip(f"no network namespace of one's own here: {ran.stderr[-200:]}")
    assert ran.returncode == 0, ran.stderr
    network = read("node-a", ran.stdout).counters.network("node-a")
    assert network is not None
    found = finds("conntrack_full", 0.0, network=Network(parts=(network,)), account=None)
    assert found.confidence == confidence
    assert f"of {size} entries" in found.because
    assert bool(network.conntrack_drops) is (share > 1)
