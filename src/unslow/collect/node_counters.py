"""Counters of nodes, whoever read them -> evidence. They go by the names of node-exporter, which are documented."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

import msgspec

from unslow.evidence.cluster import NodeNetwork

GAUGES = ("node_nf_conntrack_entries", "node_nf_conntrack_entries_limit")
RISING = (
    "node_nf_conntrack_stat_insert_failed", "node_nf_conntrack_stat_drop", "node_nf_conntrack_stat_early_drop",
    "node_netstat_Tcp_RetransSegs", "node_netstat_Tcp_OutSegs", "node_netstat_TcpExt_TCPTimeouts",
    "node_netstat_TcpExt_TCPSynRetrans", "node_netstat_TcpExt_ListenDrops",
    "node_network_receive_drop_total", "node_network_transmit_drop_total",
    "node_pressure_cpu_waiting_seconds_total", "node_pressure_memory_waiting_seconds_total",
    "node_pressure_io_waiting_seconds_total", "node_cpu_seconds_total", "node_disk_io_time_seconds_total",
    "node_ethtool_bw_in_allowance_exceeded", "node_ethtool_bw_out_allowance_exceeded",
    "node_ethtool_pps_allowance_exceeded", "node_ethtool_conntrack_allowance_exceeded",
    "node_ethtool_linklocal_allowance_exceeded",
)  # fmt: skip
_VIRTUAL = (
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
MODES = ("idle", "iowait", "steal")
"""Of the processors' time."""
_IDLE = ("idle", "iowait")
_NO_DISK = ("loop", "ram", "zram", "sr")


class Counter(msgspec.Struct, frozen=True, kw_only=True):
    """One series over a time: how far it rose, and where it stands."""

    name: str
    labels: dict[str, str] = {}
    last: float
    grown: float | None = None
    """None: read only once."""
    seconds: float = 0.0
    """Between its first and last reading."""


def counter(name: str, labels: Mapping[str, str], samples: Iterable[tuple[float, float]]) -> Counter | None:
    """From (time, value) in order; a value that falls has begun anew from zero. None without samples."""
    read = list(samples)
    if not read:
        return None
    steps = [after if after < before else after - before for (_, before), (_, after) in pairwise(read)]
    return Counter(
        name=name,
        labels=dict(labels),
        last=read[-1][1],
        grown=sum(steps) if steps else None,
        seconds=read[-1][0] - read[0][0],
    )


class Node(msgspec.Struct, frozen=True):
    """The counters of one node (or of one network namespace)."""

    counters: tuple[Counter, ...]

    @property
    def seconds(self) -> float:
        return max((one.seconds for one in self.counters), default=0.0)

    def network(self, name: str) -> NodeNetwork | None:
        """Its evidence; None when nothing of a network was among the counters."""
        full = self._last("node_nf_conntrack_entries"), self._last("node_nf_conntrack_entries_limit")
        sent = self._grown("node_netstat_Tcp_OutSegs")
        if sent is None and None in full:
            return None
        return NodeNetwork(
            name=name,
            segments_out=sent,
            retransmitted=self._grown("node_netstat_Tcp_RetransSegs"),
            timeouts=self._grown("node_netstat_TcpExt_TCPTimeouts"),
            opening_retransmitted=self._grown("node_netstat_TcpExt_TCPSynRetrans") or 0,
            drops=self._grown("node_network_receive_drop_total", "node_network_transmit_drop_total"),
            conntrack_count=full[0],
            conntrack_max=full[1],
            conntrack_drops=self._grown(
                "node_nf_conntrack_stat_insert_failed",
                "node_nf_conntrack_stat_drop",
                "node_nf_conntrack_stat_early_drop",
            ),
            listen_drops=self._grown("node_netstat_TcpExt_ListenDrops"),
            allowance_exceeded=self._grown(*(name for name in RISING if name.startswith("node_ethtool_"))),
            over_s=self.seconds or None,
        )

    def pressures(self) -> dict[str, float]:
        """Shares of the time, by the names of the fields of `evidence.cluster.Node`; what was not read is left out."""
        found = {
            "cpu_pressure_ratio": self._share("node_pressure_cpu_waiting_seconds_total"),
            "memory_pressure_ratio": self._share("node_pressure_memory_waiting_seconds_total"),
            "io_pressure_ratio": self._share("node_pressure_io_waiting_seconds_total"),
            "steal_ratio": self._steal(),
            "disk_busy_ratio": self._share("node_disk_io_time_seconds_total"),
        }
        return {name: ratio for name, ratio in found.items() if ratio is not None}

    def busy_ratio(self) -> float | None:
        """Share of the cores' time in which they were not idle; None where idle time was not read."""
        idle: dict[str, float] = {}
        for one in self._of("node_cpu_seconds_total"):
            if one.labels.get("mode") in _IDLE and one.grown is not None and one.seconds > 0:
                core = one.labels.get("cpu", "")
                idle[core] = idle.get(core, 0.0) + one.grown / one.seconds
        return max(0.0, 1.0 - sum(idle.values()) / len(idle)) if idle else None

    def _of(self, *names: str) -> list[Counter]:
        return [one for one in self.counters if one.name in names and not _is_none_of_the_node(one)]

    def _last(self, name: str) -> int | None:
        return next((int(one.last) for one in self._of(name)), None)

    def _grown(self, *names: str) -> int | None:
        known = [one.grown for one in self._of(*names) if one.grown is not None]
        return int(sum(known)) if known else None

    def _share(self, name: str) -> float | None:
        """Of the time, 0..1; of several devices the busiest."""
        known = [one.grown / one.seconds for one in self._of(name) if one.grown is not None and one.seconds > 0]
        return min(1.0, max(known)) if known else None

    def _steal(self) -> float | None:
        """Mean over the cores."""
        steal = [one for one in self._of("node_cpu_seconds_total") if one.labels.get("mode") == "steal"]
        known = [one.grown / one.seconds for one in steal if one.grown is not None and one.seconds > 0]
        return min(1.0, sum(known) / len(known)) if known else None


def _is_none_of_the_node(one: Counter) -> bool:
    """A pod's end of a wire, or a disk that is a file."""
    device = one.labels.get("device", "")
    return device.startswith(_NO_DISK if one.name.startswith("node_disk") else _VIRTUAL)
