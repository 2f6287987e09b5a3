"""The application's listening port, read about 25 times a second: queues, and how much arrives.

Sync workers leave callers in the accept queue of the LISTEN socket; gthread accepts at once and
leaves unread bytes in sockets. A connection in the accept queue has no inode yet, so that each
connection is counted once.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable

from unslow.collect.connections import Flow, Readings
from unslow.collect.discovery import Found
from unslow.collect.netlink import (
    CONNECTED,
    ESTABLISHED,
    LISTEN,
    TIME_WAIT,
    TIME_WAIT_S,
    Connection,
    Endpoint,
    SockDiag,
    UnixSocket,
    proc_tcp,
)
from unslow.collect.tcp_table import TcpTable
from unslow.errors import Unavailable
from unslow.evidence.sockets import Sockets
from unslow.evidence.window import Window

CLOSED_EVERY_S = 15.0
"""TIME_WAIT rows stay for 60 s, and there can be tens of thousands: one look in a while sees them all."""
CALLER_PORTS = 28_000
"""What Linux takes a caller's ports from (ip_local_port_range), in turn: used up, a row's port is used again."""
CLOSED_SHARE = 0.005
"""Largest share of the time spent on TIME_WAIT rows: there can be tens of thousands."""


class Pace:
    """When the next expensive reading is due, so that it takes a bounded share of the time."""

    def __init__(self, every_s: float, share: float = CLOSED_SHARE) -> None:
        self._every_s, self._share = every_s, share
        self._due_s = 0.0

    def due(self) -> bool:
        return time.monotonic() >= self._due_s

    def took(self, seconds: float, every_s: float | None = None) -> None:
        self._due_s = time.monotonic() + max(self._every_s if every_s is None else every_s, seconds / self._share)


def closed_every_s(rows: int) -> float:
    """Time between two looks at this many TIME_WAIT rows, before a quarter of a caller's ports is used again; seconds."""
    return min(CLOSED_EVERY_S, CALLER_PORTS / 4 * TIME_WAIT_S / max(rows, 1))


class SocketReader:
    """Reads the port with every `sample()`; `result` sums up the readings of a window."""

    def __init__(self, found: Found, table: TcpTable | None = None) -> None:
        self._unix = {each.inode: each.address.removeprefix("unix:") for each in found.listeners if not each.port}
        self._ports = found.ports
        # Requests over a Unix socket leave no row behind: they are counted where they reached the relay.
        self._counted = found.ports or tuple(proxy.port for proxy in found.proxies[-1:])
        v6 = any(each.family == socket.AF_INET6 for each in found.listeners) or not found.ports
        self._families = (socket.AF_INET, socket.AF_INET6) if v6 else (socket.AF_INET,)
        self._queue, self._unread, self._established = Readings(), Readings(), Readings()
        self._rtt = Readings()
        self._limit = 0
        self._flow = Flow(caller=False)
        self._pace = Pace(CLOSED_EVERY_S)
        try:
            self._diag: SockDiag | None = SockDiag()
            self._view = (table or TcpTable(self._diag)).view()
            self._diag.tcp(1 << LISTEN, source_ports=self._counted, families=self._families)
            self._read_closed()  # what closed before is known before the window begins
        except Unavailable:
            self._diag = None
            proc_tcp(1 << LISTEN)  # the rung below must be there

    def close(self) -> None:
        if self._diag:
            self._diag.close()

    def sample(self) -> None:
        """One reading of the accept queue, and of the connections when the table's pace allows."""
        at_s = time.time()
        listeners = [row for row in self._listening() if row.local[1] in self._ports]
        queue, limit = sum(row.rqueue for row in listeners), sum(row.wqueue for row in listeners)
        on_unix = self._diag.unix(1 << LISTEN | 1 << ESTABLISHED) if self._unix and self._diag else []
        for each in on_unix:
            if each.inode in self._unix:
                queue, limit = queue + each.rqueue, limit + each.wqueue
        self._limit = limit or self._limit
        self._queue.add(at_s, queue)
        if not self._diag or self._view.is_due():
            self._read_connections(at_s, [each for each in on_unix if each.inode not in self._unix])

    def _read_connections(self, at_s: float, on_unix: list[UnixSocket]) -> None:
        rows = self._rows(CONNECTED)
        accepted = [row for row in rows if row.local[1] in self._ports and row.inode]
        served = [each for each in on_unix if each.inode and each.path in self._unix.values()]
        unread = sum(row.unread_bytes > 0 for row in accepted) + sum(each.rqueue > 0 for each in served)
        established = sum(row.state == ESTABLISHED for row in accepted) + len(served)
        self._unread.add(at_s, unread)
        self._established.add(at_s, established)
        for row in accepted:
            if row.info and row.info.rtt_s:
                self._rtt.add(at_s, row.info.rtt_s)
        self._flow.living(((row.remote, row) for row in rows), at_s)
        if self._pace.due():
            self._read_closed()

    def _listening(self) -> list[Connection]:
        if self._diag:
            return self._diag.tcp(1 << LISTEN, source_ports=self._counted, families=self._families)
        return proc_tcp(1 << LISTEN)

    def _read_closed(self) -> None:
        started = time.perf_counter()
        rows = self._rows(1 << TIME_WAIT, both=True)
        self._flow.closed(callers(rows, self._counted), time.time())
        self._pace.took(time.perf_counter() - started, closed_every_s(len(rows)))

    def _rows(self, states: int, *, both: bool = False) -> list[Connection]:
        """Rows of the port as the server; with `both`, also as the caller."""
        ports = self._counted
        if self._diag and both:
            return self._diag.tcp(states, source_ports=ports, destination_ports=ports)
        if self._diag:
            return self._view.tcp(states, source_ports=ports, families=self._families)
        return [row for row in proc_tcp(states) if row.local[1] in ports or (both and row.remote[1] in ports)]

    def result(self, window: Window) -> Sockets:
        """What was read within `window`. Raises `Unavailable` when that is not one reading."""
        self._read_closed()
        queue = self._queue.within(window)
        if not queue:
            raise Unavailable("the port was not read while latency was measured", "repeat with a longer --budget")
        # What came before the first reading was not counted.
        counted = Window(start_s=max(window.start_s, self._queue.at_s[0]), end_s=min(window.end_s, time.time()))
        seconds = counted.seconds
        requests = self._flow.requests.within(counted) + self._flow.unseen.within(counted)
        return Sockets(
            readings=len(queue),
            accept_queue_mean=sum(queue) / len(queue),
            accept_queue_max=int(max(queue)),
            accept_queue_limit=self._limit,
            unread_mean=self._unread.mean(window) or 0.0,
            established_mean=self._established.mean(window) or 0.0,
            requests_per_s=requests / seconds if self._diag and seconds > 0 else None,
            rtt_s=self._rtt.mean(window),
            retransmits_per_s=self._flow.retransmits.within(counted) / seconds if seconds > 0 else 0.0,
            closings_per_s=self._flow.closings_per_s(counted) if self._diag else None,
            earlier_closings_per_s=self._flow.closings_per_s(_earlier(counted)) if self._diag else None,
        )


EARLIER_S = (54.0, 40.0)
"""From when to when before the window; closed connections are remembered for 60 s."""


def _earlier(window: Window) -> Window:
    return Window(start_s=window.start_s - EARLIER_S[0], end_s=window.start_s - EARLIER_S[1])


def callers(rows: Iterable[Connection], ports: Iterable[int]) -> Iterable[tuple[Endpoint, Connection]]:
    """Each row with the caller's endpoint, whichever side the row is of."""
    served = frozenset(ports)
    return ((row.remote if row.local[1] in served else row.local, row) for row in rows)
