"""Counters of TCP segments in the workers' network namespace, twice a second."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from unslow.collect.discovery import Found
from unslow.errors import Unavailable
from unslow.evidence.packets import Packets
from unslow.evidence.window import Window

EVERY_S = 0.5
NAMES = ("Tcp.OutSegs", "Tcp.RetransSegs", "TcpExt.TCPSynRetrans", "TcpExt.TCPTimeouts")

UNSEEN = ("counters of TCP segments", "run unslow as the same user as the workers or as root")


class _Counters(NamedTuple):
    at_s: float
    values: dict[str, int]


def counters(text: str) -> dict[str, int]:
    """`/proc/net/snmp` and `/proc/net/netstat`: a line of names, then a line of numbers, for each protocol."""
    found = {}
    lines = text.splitlines()
    for names, numbers in zip(lines[::2], lines[1::2], strict=False):
        protocol = names.partition(":")[0]
        for name, number in zip(names.split()[1:], numbers.split()[1:], strict=False):
            found[f"{protocol}.{name}"] = int(number)
    return found


class PacketReader:
    """`sample()` reads two small files at most twice a second."""

    def __init__(self, found: Found, root: Path = Path("/proc")) -> None:
        if not found.workers:
            raise Unavailable(*UNSEEN)
        self._pid = found.workers[0]
        self._root = root
        self._readings: list[_Counters] = []
        self._read()

    def close(self) -> None:
        """Nothing is held open."""

    def sample(self) -> None:
        if time.time() - self._readings[-1].at_s >= EVERY_S:
            self._read()

    def result(self, window: Window) -> Packets:
        """Raises `Unavailable` when there are not two readings in the window."""
        inside = [one for one in self._readings if window.start_s - EVERY_S <= one.at_s < window.end_s + EVERY_S]
        if len(inside) < 2:
            raise Unavailable("counters of TCP segments at two times", "repeat with a longer --budget")
        first, last = inside[0], inside[-1]
        grown = {name: max(0, last.values[name] - first.values[name]) for name in NAMES}
        return Packets(
            seconds=last.at_s - first.at_s,
            segments_out=grown["Tcp.OutSegs"],
            retransmitted=grown["Tcp.RetransSegs"],
            opening_retransmitted=grown["TcpExt.TCPSynRetrans"],
            timeouts=grown["TcpExt.TCPTimeouts"],
        )

    def _read(self) -> None:
        folder = self._root / str(self._pid) / "net"
        try:
            values = counters((folder / "snmp").read_text()) | counters((folder / "netstat").read_text())
        except (OSError, ValueError) as error:
            raise Unavailable(*UNSEEN) from error
        if any(name not in values for name in NAMES):
            raise Unavailable("counters of TCP segments that this kernel has", "use a newer kernel")
        self._readings.append(_Counters(time.time(), values))
