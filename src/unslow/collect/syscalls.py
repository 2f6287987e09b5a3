"""Numbers of the system calls that tell what a blocked thread waits for, for this machine's architecture."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Numbers:
    futex: frozenset[int]
    sleep: frozenset[int]
    select: frozenset[int]
    """First argument: highest descriptor + 1; second: the set to read from."""
    poll: frozenset[int]
    """First argument: array of pollfd; second: its length."""
    epoll: frozenset[int]
    accept: frozenset[int]
    """First argument: the listening descriptor."""
    transfer: frozenset[int]
    """Reading and writing; first argument: the descriptor."""
    sync: frozenset[int]
    """Until a file is on the disk."""
    file_lock: frozenset[int]
    """Locks between processes; a thread that is seen in one waits for it."""
    unknown: frozenset[int]
    """Waiting for a child or a signal: neither input nor output."""


_X86_64 = Numbers(
    futex=frozenset({202, 449}),
    sleep=frozenset({35, 230}),
    select=frozenset({23, 270}),
    poll=frozenset({7, 271}),
    epoll=frozenset({232, 281, 441}),
    accept=frozenset({43, 288}),
    transfer=frozenset({0, 1, 19, 20, 44, 45, 46, 47}),
    sync=frozenset({26, 74, 75, 162, 277, 306}),
    file_lock=frozenset({72, 73}),
    unknown=frozenset({34, 61, 127, 128, 130, 219, 247}),
)
_AARCH64 = Numbers(
    futex=frozenset({98, 449}),
    sleep=frozenset({101, 115}),
    select=frozenset({72}),
    poll=frozenset({73}),
    epoll=frozenset({22, 441}),
    accept=frozenset({202, 242}),
    transfer=frozenset({63, 64, 65, 66, 206, 207, 211, 212}),
    sync=frozenset({81, 82, 83, 84, 227, 267}),
    file_lock=frozenset({25, 32}),
    unknown=frozenset({95, 128, 133, 136, 137, 260}),
)
NUMBERS = _AARCH64 if os.uname().machine == "aarch64" else _X86_64
