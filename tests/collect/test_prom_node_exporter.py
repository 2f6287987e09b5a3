"""A real node-exporter, scraped by a real Prometheus."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collect.real_prometheus import prometheus
from unslow.collect import prom_nodes
from unslow.collect.exposition import parse
from unslow.collect.node_counters import GAUGES, RISING
from unslow.collect.prometheus_api import Api
from unslow.errors import Unavailable

NEEDS = {
    "node_nf_conntrack": Path("/proc/sys/net/netfilter/nf_conntrack_count"),
    "node_pressure": Path("/proc/pressure/cpu"),
    "node_disk": Path("/proc/diskstats"),
}
"""Files that a kernel may lack, and the metrics that come from them."""
SLOW_CARDS = "node_ethtool"
"""A collector that is off unless asked for, and of Amazon's network cards only."""


@pytest.fixture(scope="module")
def exporter() -> Iterator[int]:
    program = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
    if program is None:
        pytest.skip("no node-exporter here (Debian package prometheus-node-exporter)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with subprocess.Popen(
        [program, f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        try:
            page(port)
            yield port
        finally:
            running.terminate()


def page(port: int) -> str:
    for _ in range(100):
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer,
        ):
            return str(answer.read().decode())
        time.sleep(0.1)
    pytest.fail("node-exporter does not answer")


def test_every_name_is_one_that_it_uses(exporter: int) -> None:
    known = {name for name, _ in parse(page(exporter), only=["node_"]).samples}
    absent = tuple(prefix for prefix, file in NEEDS.items() if not file.exists())
    wanted = {name for name in (*GAUGES, *RISING) if not name.startswith((SLOW_CARDS, *absent))}
    assert wanted - known == set()


def test_what_is_read_of_it_is_this_machine(exporter: int, tmp_path: Path) -> None:
    with prometheus(tmp_path, exporter) as address:
        for _ in range(100):
            with contextlib.suppress(Unavailable):
                found = prom_nodes.counters(Api(address), {os.uname().nodename: "here"}, time.time())["here"]
                if found.busy_ratio() is not None:
                    break
            time.sleep(0.2)
    network = found.network("here")
    assert network is not None
    assert network.segments_out is not None
    if NEEDS["node_nf_conntrack"].exists():
        limit = Path("/proc/sys/net/netfilter/nf_conntrack_max").read_text()
        assert network.conntrack_max == int(limit)
        assert network.conntrack_drops is not None
    assert 0.0 <= (found.busy_ratio() or 0.0) <= 1.0
    if NEEDS["node_pressure"].exists():
        assert set(found.pressures()) >= {"cpu_pressure_ratio", "memory_pressure_ratio", "io_pressure_ratio"}
