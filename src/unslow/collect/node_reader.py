"""Reads a node's counters twice from inside a pod and prints them, under the names that node-exporter gives them.

Sent as text to a Python that has nothing but its standard library, so it imports nothing of this package. What it
cannot read it leaves out.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
PROXY_PAGE = "http://127.0.0.1:10249/metrics"
PROXY_PREFIX = "kubeproxy_sync_proxy_rules_"
NETSTAT = {
    "Tcp": ("RetransSegs", "OutSegs"),
    "TcpExt": ("TCPTimeouts", "TCPSynRetrans", "ListenDrops"),
}
CONNTRACK = ("insert_failed", "drop", "early_drop")
VIRTUAL = (
    "lo",
    "veth",
    "cali",
    "cni",
    "lxc",
    "docker",
    "flannel",
    "cilium",
    "dummy",
    "tunl",
    "br-",
    "kube",
    "nodelocal",
)
TICKS_PER_S = 100.0
MODES = {"idle": 3, "iowait": 4, "steal": 7}
"""Columns of a processor's line."""

Reading = tuple[str, dict[str, str], float]
"""Name, labels, value."""


def readings(proc: Path) -> Iterator[Reading]:
    """Everything that can be read now, of this network namespace and of the whole machine."""
    for source in (_conntrack, _netstat, _interfaces, _pressure, _processors, _disks):
        # A kernel without the module or the file: the others are still wanted.
        with contextlib.suppress(OSError, ValueError, IndexError):
            yield from source(proc)


def _conntrack(proc: Path) -> Iterator[Reading]:
    settings = proc / "sys/net/netfilter"
    yield "node_nf_conntrack_entries_limit", {}, float((settings / "nf_conntrack_max").read_text())
    yield "node_nf_conntrack_entries", {}, float((settings / "nf_conntrack_count").read_text())
    head, *rows = (proc / "net/stat/nf_conntrack").read_text().splitlines()
    columns = head.split()
    for name in CONNTRACK:
        at = columns.index(name)
        yield f"node_nf_conntrack_stat_{name}", {}, float(sum(int(row.split()[at], 16) for row in rows))


def _netstat(proc: Path) -> Iterator[Reading]:
    for file in ("net/snmp", "net/netstat"):
        lines = (proc / file).read_text().splitlines()
        for names, values in zip(lines[::2], lines[1::2], strict=True):
            group = names.partition(":")[0]
            table = dict(zip(names.split()[1:], values.split()[1:], strict=True))
            for name in NETSTAT.get(group, ()):
                if name in table:
                    yield f"node_netstat_{group}_{name}", {}, float(table[name])


def _interfaces(proc: Path) -> Iterator[Reading]:
    for line in (proc / "net/dev").read_text().splitlines()[2:]:
        device, _, rest = line.strip().partition(":")
        values = rest.split()
        if not device.startswith(VIRTUAL):
            yield "node_network_receive_drop_total", {"device": device}, float(values[3])
            yield "node_network_transmit_drop_total", {"device": device}, float(values[11])


def _pressure(proc: Path) -> Iterator[Reading]:
    for what in ("cpu", "memory", "io"):
        words = (proc / "pressure" / what).read_text().split("\n")[0].split()
        total_us = next(word for word in words if word.startswith("total=")).partition("=")[2]
        yield f"node_pressure_{what}_waiting_seconds_total", {}, float(total_us) / 1e6


def _processors(proc: Path) -> Iterator[Reading]:
    for line in (proc / "stat").read_text().splitlines():
        name, *values = line.split()
        if name.startswith("cpu") and name != "cpu":
            for mode, column in MODES.items():
                yield "node_cpu_seconds_total", {"cpu": name[3:], "mode": mode}, float(values[column]) / TICKS_PER_S


def _disks(proc: Path) -> Iterator[Reading]:
    for line in (proc / "diskstats").read_text().splitlines():
        values = line.split()
        if not values[2].startswith(("loop", "ram", "zram", "sr")):
            yield "node_disk_io_time_seconds_total", {"device": values[2]}, float(values[12]) / 1e3


def proxy_lines(page: str) -> list[str]:
    """kube-proxy's own samples that say how long its rules take and how many there are."""
    try:
        with urllib.request.urlopen(page, timeout=2) as answer:  # noqa: S310 - a fixed loopback address
            text = answer.read(4 << 20).decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.startswith(PROXY_PREFIX)]


def main(seconds: float, proc: Path = PROC, page: str = PROXY_PAGE) -> None:
    """Prints a JSON list a line: two readings, the seconds between them by the clock, and kube-proxy's samples."""
    started, first = time.monotonic(), list(readings(proc))
    time.sleep(seconds)
    took, last = time.monotonic() - started, list(readings(proc))
    lines: list[list[object]] = [["first", *reading] for reading in first]
    lines += [["last", *reading] for reading in last]
    lines += [["proxy", line] for line in proxy_lines(page)]
    # Comes last: without it the output is not whole.
    lines.append(["seconds", took])
    sys.stdout.write("".join(f"{json.dumps(line)}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
