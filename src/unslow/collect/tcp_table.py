"""The kernel's TCP table, walked once for all readers of the same moment.

The walk through the kernel's hash table is most of what a reading costs, whatever the filter lets through; so it has a
pace of its own. Listening sockets are in another, small table: these can be read as often as one likes.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable

import msgspec

from unslow.collect.netlink import Connection, SockDiag
from unslow.collect.pace import Pace

FRESH_S = 0.005
"""Readers that ask within this time are of one moment."""
BOTH_FAMILIES = (socket.AF_INET, socket.AF_INET6)


class Wanted(msgspec.Struct, frozen=True):
    """What one reader asks for; no port listed: all rows."""

    states: int
    source_ports: frozenset[int]
    destination_ports: frozenset[int]
    families: frozenset[int]

    @property
    def is_all(self) -> bool:
        return not self.source_ports and not self.destination_ports

    def covers(self, other: Wanted) -> bool:
        ports = self.is_all or (
            not other.is_all
            and other.source_ports <= self.source_ports
            and other.destination_ports <= self.destination_ports
        )
        return ports and not other.states & ~self.states and other.families <= self.families

    def joined(self, other: Wanted) -> Wanted:
        is_all = self.is_all or other.is_all
        return Wanted(
            self.states | other.states,
            frozenset() if is_all else self.source_ports | other.source_ports,
            frozenset() if is_all else self.destination_ports | other.destination_ports,
            self.families | other.families,
        )

    def holds(self, row: Connection) -> bool:
        if not self.states >> row.state & 1:
            return False
        return self.is_all or row.local[1] in self.source_ports or row.remote[1] in self.destination_ports


NOTHING = Wanted(0, frozenset({0}), frozenset(), frozenset())
"""Port 0 is nobody's."""


class TcpTable:
    """Give each reader a `view()`; what the other readers asked for last is read along."""

    def __init__(self, diag: SockDiag) -> None:
        self._diag = diag
        self._wanted: dict[int, Wanted] = {}
        self._read: Wanted | None = None
        self._rows: list[Connection] = []
        self._read_s = 0.0
        self._pace = Pace()

    def is_due(self) -> bool:
        """Whether the table may be walked now, or was a moment ago."""
        return self._pace.is_due() or time.monotonic() - self._read_s < FRESH_S

    def view(self) -> TcpView:
        number = len(self._wanted)
        self._wanted[number] = NOTHING
        return TcpView(self, number)

    def rows(self, reader: int, wanted: Wanted) -> list[Connection]:
        """Rows of `wanted`, at most `FRESH_S` old, each with its TCP_INFO."""
        is_fresh = time.monotonic() - self._read_s < FRESH_S
        self._wanted[reader] = wanted
        if self._read is None or not is_fresh or not self._read.covers(wanted):
            self._walk(wanted)
        return [row for row in self._rows if wanted.holds(row)]

    def _walk(self, wanted: Wanted) -> None:
        first = wanted
        for other in self._wanted.values():
            if not other.is_all:  # a search through everything is not repeated for the others' sake
                first = first.joined(other)
        spent_s = time.thread_time()
        self._rows = self._diag.tcp(
            first.states,
            source_ports=sorted(first.source_ports),
            destination_ports=sorted(first.destination_ports),
            info=True,
            families=sorted(first.families),
        )
        self._read, self._read_s = first, time.monotonic()
        self._pace.took(time.thread_time() - spent_s)


class TcpView:
    """One reader's window on a shared table."""

    def __init__(self, table: TcpTable, number: int) -> None:
        self._table, self._number = table, number

    def is_due(self) -> bool:
        return self._table.is_due()

    def tcp(
        self,
        states: int,
        *,
        source_ports: Iterable[int] = (),
        destination_ports: Iterable[int] = (),
        families: Iterable[int] = BOTH_FAMILIES,
    ) -> list[Connection]:
        """As `SockDiag.tcp` with its information."""
        wanted = Wanted(states, frozenset(source_ports), frozenset(destination_ports), frozenset(families))
        return self._table.rows(self._number, wanted)
