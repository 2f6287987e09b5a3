"""The loop's selector: more descriptors than select takes, and waits that end neither early nor by the millisecond."""

from __future__ import annotations

import asyncio
import resource
import socket
import time

import pytest

from unslow.verify.precise_loop import precise_loop

PAIRS = 1100


def test_more_connections_than_select_could_watch() -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 2 * PAIRS + 100:
        pytest.skip(f"the limit on open files is below {2 * PAIRS + 100}")
    pairs = [socket.socketpair() for _ in range(PAIRS)]
    loop = precise_loop()
    got: list[bytes] = []

    async def read_all() -> None:
        for near, far in pairs:
            near.setblocking(False)
            far.send(b"x")
        got.extend(await asyncio.gather(*(loop.sock_recv(near, 1) for near, _ in pairs)))

    try:
        loop.run_until_complete(asyncio.wait_for(read_all(), 20))
    finally:
        loop.close()
        for pair in pairs:
            for end in pair:
                end.close()
    assert got == [b"x"] * PAIRS


def test_a_wait_ends_on_time_and_not_before() -> None:
    loop = precise_loop()
    late: list[float] = []

    async def wait() -> None:
        for _ in range(200):
            due = time.monotonic() + 0.0003
            await asyncio.sleep(0.0003)
            late.append(time.monotonic() - due)

    try:
        loop.run_until_complete(wait())
    finally:
        loop.close()
    assert min(late) > -1e-5
    # epoll alone rounds each of these waits up to a whole millisecond: 0.7 ms late at best.
    assert min(late) < 5e-4
