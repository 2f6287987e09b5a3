"""Servers that the workers reach through Unix sockets: which, and how many connections."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from unslow.collect import processes, relays
from unslow.collect.connections import Counter, Readings
from unslow.collect.netlink import ESTABLISHED, LISTEN, SockDiag, UnixSocket
from unslow.evidence.sockets import Peer
from unslow.evidence.window import Window


@dataclass(slots=True)
class _Tracked:
    open: Readings = field(default_factory=Readings)
    waiting: Readings = field(default_factory=Readings)
    opened: Counter = field(default_factory=Counter)
    inodes: set[int] = field(default_factory=set)
    listener: int = 0


class UnixPeers:
    """Reads with every `sample()`, which walks all Unix sockets of the machine: not at full pace."""

    def __init__(self, diag: SockDiag, own_paths: Iterable[str]) -> None:
        self._diag = diag
        self._own = frozenset(own_paths)
        self._peers: dict[str, _Tracked] = {}
        self._started_s: float | None = None

    def sample(self, inodes: Iterable[int]) -> None:
        """`inodes`: sockets that the workers hold."""
        at_s = time.time()
        rows = self._diag.unix(1 << LISTEN | 1 << ESTABLISHED)
        held = frozenset(inodes)
        called: dict[str, set[int]] = {}
        for row in rows:
            # The accepted side bears the path; its peer is the caller's.
            if row.state == ESTABLISHED and row.path and row.peer_inode in held and row.path not in self._own:
                called.setdefault(row.path, set()).add(row.peer_inode)
        for path in called:
            self._peers.setdefault(path, _Tracked())
        for path, tracked in self._peers.items():
            self._read(tracked, called.get(path, set()), [row for row in rows if row.path == path], at_s)
        self._started_s = self._started_s or at_s

    def _read(self, tracked: _Tracked, ours: set[int], served: list[UnixSocket], at_s: float) -> None:
        if self._started_s is not None:
            tracked.opened.add(at_s, len(ours - tracked.inodes))
        tracked.inodes = ours
        tracked.open.add(at_s, len(ours))
        tracked.listener = next((row.inode for row in served if row.state == LISTEN), tracked.listener)
        queue = sum(row.rqueue for row in served if row.state == LISTEN)
        unread = sum(row.rqueue > 0 for row in served if row.state == ESTABLISHED and row.inode)
        tracked.waiting.add(at_s, queue + unread)

    def result(self, window: Window) -> list[Peer]:
        return [
            self._peer(path, tracked, window) for path, tracked in self._peers.items() if tracked.open.within(window)
        ]

    def _peer(self, path: str, tracked: _Tracked, window: Window) -> Peer:
        name = _server_name(tracked.listener)
        readings = tracked.open.within(window)
        seconds = window.end_s - max(window.start_s, self._started_s or window.start_s)
        return Peer(
            address=f"unix:{path}",
            kind=relays.end_kind(name) or "unknown",
            name=name or path,
            open_mean=sum(readings) / len(readings),
            # Only what was still open at a reading: a lower bound.
            opened_per_s=tracked.opened.within(window) / seconds if seconds > 0 else None,
            waiting_mean=tracked.waiting.mean(window),
        )


def _server_name(inode: int) -> str:
    members = processes.holders((inode,)) if inode else ()
    known = processes.stat(processes.family(members)[0]) if members else None
    return known.comm if known else ""
