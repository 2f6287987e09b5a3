"""What the workers call: every address with its connections, and what the server there is doing meanwhile.

A caller that waits for a server whose threads are idle waits for the network between them; that is
told here by reading both ends at the same moments.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from unslow.collect import processes
from unslow.collect.connections import Counter, Flow, Readings
from unslow.collect.discovery import Found, Workers
from unslow.collect.netlink import (
    ALIVE,
    ESTABLISHED,
    FIN_WAIT1,
    FIN_WAIT2,
    LISTEN,
    SYN_SENT,
    TIME_WAIT,
    Connection,
    Endpoint,
    SockDiag,
    address_text,
)
from unslow.collect.peer_servers import PeerServer, Resolver, unseen
from unslow.collect.sockets import CLOSED_EVERY_S, Pace, callers, closed_every_s
from unslow.collect.tcp_table import TcpTable
from unslow.collect.unix_peers import UnixPeers
from unslow.evidence.sockets import Peer
from unslow.evidence.window import Window

NEW_PEERS_EVERY_S = 0.4
"""How often the whole table is read for addresses that were not known yet."""
MAX_PEERS = 32
DNS_PORT = 53


@dataclass(slots=True)
class _Tracked:
    """Everything read about one address."""

    flow: Flow = field(default_factory=lambda: Flow(caller=True))
    open: Readings = field(default_factory=Readings)
    rtt: Readings = field(default_factory=Readings)
    asked: Readings = field(default_factory=Readings)
    waiting: Readings = field(default_factory=Readings)
    aborted: Counter = field(default_factory=Counter)
    unanswered: set[Endpoint] = field(default_factory=set)
    """Connections that had a request out when last read."""
    closing: set[Endpoint] = field(default_factory=set)
    """Those of them that the application has closed since."""
    ours: int = 0
    others: int = 0
    """Readings of connections of other processes to the same address."""
    server: PeerServer | None = None
    udp: bool = False


class PeerReader:
    """Reads outgoing connections with every `sample()`; raises `Unavailable` where netlink is not there."""

    def __init__(self, found: Found, table: TcpTable | None = None) -> None:
        self._found = found
        self._workers = Workers(found)
        self._diag = SockDiag()
        self._view = (table or TcpTable(self._diag)).view()
        self._peers: dict[Endpoint, _Tracked] = {}
        self._inodes: set[int] = set()
        self._strangers: set[int] = set()
        self._dns_families = _dns_families(found.workers[0])
        self._new, self._owners = Pace(NEW_PEERS_EVERY_S), Pace(every_s=0.0)
        self._closed = Pace(CLOSED_EVERY_S)
        own_paths = [each.address.removeprefix("unix:") for each in found.listeners if not each.port]
        self._unix = UnixPeers(self._diag, own_paths)
        self._resolver = Resolver(self._resolved)

    def close(self) -> None:
        self._resolver.close()
        self._diag.close()
        for tracked in self._peers.values():
            if tracked.server and tracked.server.threads:
                tracked.server.threads.close()

    def _resolved(self, endpoint: Endpoint, server: PeerServer) -> None:
        self._peers[endpoint].server = server

    def sample(self) -> None:
        """One reading of all known addresses; now and then a look for new ones. None before the table's next turn."""
        if not self._view.is_due():
            return
        at_s = time.time()
        self._workers.changed()
        self._read_dns(at_s)
        searching = self._new.due()
        started = time.perf_counter()
        rows = self._rows(searching)
        outgoing = [row for row in rows if row.state != LISTEN and row.local[1] not in self._found.ports]
        self._learn_owners(outgoing, always=searching)
        if searching:
            self._find_new(outgoing)
            self._unix.sample(self._inodes)
            self._new.took(time.perf_counter() - started)
        by_peer: dict[Endpoint, list[Connection]] = {endpoint: [] for endpoint in self._peers}
        for row in outgoing:
            if row.remote in by_peer:
                by_peer[row.remote].append(row)
        for endpoint, tracked in self._peers.items():
            if not tracked.udp:
                self._read_peer(tracked, by_peer[endpoint], rows, at_s)
        if self._closed.due():
            self._read_closed()

    def _rows(self, searching: bool) -> list[Connection]:
        """Connections to known addresses and the sockets of their servers; all of them while searching."""
        states = ALIVE | 1 << LISTEN
        remote = {endpoint[1] for endpoint, tracked in self._peers.items() if not tracked.udp}
        served = {port for each in self._peers.values() if each.server for port in each.server.ports}
        if searching:
            return self._view.tcp(states)
        if not remote:
            return []
        return self._view.tcp(states, source_ports=served, destination_ports=remote)

    def _learn_owners(self, rows: Iterable[Connection], *, always: bool = False) -> None:
        """Look through the workers' descriptors when a row's socket is unknown."""
        unknown = {row.inode for row in rows if row.inode} - self._inodes - self._strangers
        if not always and (not unknown or not self._owners.due()):
            return
        started = time.perf_counter()
        held = {inode for pid in self._workers.pids for inode in processes.socket_inodes(pid) or {}}
        self._inodes |= held
        self._strangers |= unknown - held
        self._owners.took(time.perf_counter() - started)

    def _find_new(self, rows: Iterable[Connection]) -> None:
        for row in rows:
            if row.inode in self._inodes and row.remote not in self._peers and len(self._peers) < MAX_PEERS:
                self._peers[row.remote] = _Tracked()
                self._resolver.ask(row.remote)

    def _read_peer(self, tracked: _Tracked, rows: list[Connection], table: list[Connection], at_s: float) -> None:
        ours = [row for row in rows if row.inode in self._inodes]
        tracked.ours += len(ours)
        tracked.others += sum(row.inode in self._strangers for row in rows)
        tracked.open.add(at_s, sum(row.state in {ESTABLISHED, SYN_SENT} for row in ours))
        tracked.flow.living(((row.local, row) for row in ours if row.state != SYN_SENT), at_s)
        for row in ours:
            if row.info and row.info.rtt_s:
                tracked.rtt.add(at_s, row.info.rtt_s)
        self._read_aborted(tracked, rows, ours, at_s)
        server = tracked.server
        if server and server.ports:
            served = [row for row in table if row.local[1] in server.ports]
            clients = frozenset(row.inode for row in served if row.state != LISTEN)
            queue = sum(row.rqueue for row in served if row.state == LISTEN)
            unread = sum(row.unread_bytes > 0 for row in served if row.state != LISTEN and row.inode)
            tracked.waiting.add(at_s, queue + unread)
            if server.threads:
                server.threads.sample(clients)

    @staticmethod
    def _read_aborted(tracked: _Tracked, rows: list[Connection], ours: list[Connection], at_s: float) -> None:
        """Count connections that the application closed while a request was out and no answer had begun."""
        closing = {row.local for row in rows if row.state in {FIN_WAIT1, FIN_WAIT2}} & tracked.unanswered
        # An answered connection passes these states in no time; one whose server still works stays.
        given_up = closing & tracked.closing
        tracked.aborted.add(at_s, len(given_up))
        tracked.closing = closing - given_up
        unanswered = {row.local for row in ours if _waits_for_answer(row)}
        tracked.asked.add(at_s, len(unanswered))
        tracked.unanswered = tracked.closing | unanswered

    def _read_dns(self, at_s: float) -> None:
        """Look-ups in flight: a resolver's socket lives as long as its question."""
        rows = self._diag.udp(destination_ports=(DNS_PORT,), families=self._dns_families)
        self._learn_owners(rows)
        ours = [row for row in rows if row.inode in self._inodes]
        for row in ours:
            if row.remote not in self._peers and len(self._peers) < MAX_PEERS:
                self._peers[row.remote] = _Tracked(udp=True, server=PeerServer("dns", address_text(row.remote)))
        for endpoint, tracked in self._peers.items():
            if tracked.udp:
                here = [row for row in ours if row.remote == endpoint]
                tracked.open.add(at_s, len(here))
                tracked.flow.living(((row.local, row) for row in here), at_s)

    def _read_closed(self) -> None:
        started, seen = time.perf_counter(), 0
        ports = {endpoint[1] for endpoint, tracked in self._peers.items() if not tracked.udp}
        if ports:
            rows = self._diag.tcp(1 << TIME_WAIT, source_ports=ports, destination_ports=ports)
            now_s, seen = time.time(), len(rows)
            for endpoint, tracked in self._peers.items():
                tracked.flow.closed(callers(_between(rows, endpoint), (endpoint[1],)), now_s)
        self._closed.took(time.perf_counter() - started, closed_every_s(seen))

    def result(self, window: Window) -> tuple[Peer, ...]:
        """One entry per address, most connections first; empty when the workers called nobody."""
        self._read_closed()
        found = [
            self._peer(endpoint, tracked, window)
            for endpoint, tracked in self._peers.items()
            if tracked.open.within(window)
        ]
        found += self._unix.result(window)
        return tuple(sorted(found, key=lambda peer: (-peer.open_mean, peer.address)))

    def _peer(self, endpoint: Endpoint, tracked: _Tracked, window: Window) -> Peer:
        server = tracked.server or unseen(endpoint)
        seconds = min(window.end_s, time.time()) - max(window.start_s, tracked.open.at_s[0])
        readings = tracked.open.within(window)
        share = tracked.ours / (tracked.ours + tracked.others) if tracked.ours else 1.0
        busy = server.threads.result(window) if server.threads else None

        def per_s(counter: Counter) -> float:
            return counter.within(window) / seconds if seconds > 0 else 0.0

        # What only TIME_WAIT knows has no owner; the share of ours among the living stands in.
        unseen_per_s = per_s(tracked.flow.unseen) * share
        return Peer(
            address=address_text(endpoint),
            kind=server.kind,
            name=server.name,
            open_mean=sum(readings) / len(readings),
            opened_per_s=per_s(tracked.flow.opened) + unseen_per_s,
            aborted_per_s=None if tracked.udp else per_s(tracked.aborted),
            requests_per_s=None if tracked.udp else per_s(tracked.flow.requests) + unseen_per_s,
            asked_mean=tracked.asked.mean(window),
            rtt_s=tracked.rtt.mean(window),
            retransmits_per_s=per_s(tracked.flow.retransmits),
            # A thread that waits for the rest of a request is not at work: that is on the way.
            busy_mean=busy.busy_mean - busy.client_mean if busy and busy.busy_mean is not None else None,
            waiting_mean=tracked.waiting.mean(window),
            hops=server.hops,
        )


def _dns_families(pid: int) -> tuple[int, ...]:
    """Address families of the name servers that the process is told to ask."""
    text = processes.read(processes.PROC / str(pid) / "root" / "etc" / "resolv.conf") or ""
    six = any(":" in line for line in text.splitlines() if line.startswith("nameserver "))
    return (socket.AF_INET, socket.AF_INET6) if six else (socket.AF_INET,)


def _waits_for_answer(row: Connection) -> bool:
    info = row.info
    if row.state != ESTABLISHED or info is None or not info.data_segs_out:
        return False
    return info.data_segs_in == 0 or info.since_sent_s < info.since_received_s


def _between(rows: Iterable[Connection], endpoint: Endpoint) -> Iterator[Connection]:
    """Rows of either side whose server is `endpoint`."""
    return (row for row in rows if endpoint in {row.local, row.remote})
