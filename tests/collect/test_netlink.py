from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from unslow.collect.netlink import (
    ALIVE,
    CLOSE_WAIT,
    CONNECTED,
    ESTABLISHED,
    LISTEN,
    TIME_WAIT,
    SockDiag,
    address_text,
    proc_tcp,
)


@pytest.fixture
def diag() -> Iterator[SockDiag]:
    with SockDiag() as opened:
        yield opened


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as opened:
        yield opened


def test_a_connection_that_nobody_accepted_is_in_the_queue_without_an_inode(
    diag: SockDiag, listener: socket.socket
) -> None:
    host, port = listener.getsockname()[:2]
    with socket.create_connection((host, port)) as caller:
        caller.sendall(b"0123456789")
        rows = diag.tcp(ALIVE | 1 << LISTEN, source_ports=[port], info=True)
        queue = next(row for row in rows if row.state == LISTEN)
        waiting = next(row for row in rows if row.state == ESTABLISHED)
        assert (queue.rqueue, queue.wqueue) == (1, 128)
        assert (waiting.inode, waiting.unread_bytes) == (0, 10)
        assert waiting.info is not None
        assert (waiting.info.data_segs_in, waiting.info.bytes_received) == (1, 10)


def test_a_filter_takes_either_side_and_nothing_else(diag: SockDiag, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_connection((host, port)):
        taken, _ = listener.accept()
        with taken:
            both = diag.tcp(CONNECTED, source_ports=[port], destination_ports=[port])
            assert len(both) == 2
            assert len(diag.tcp(CONNECTED, source_ports=[port])) == 1
            listening = diag.tcp(1 << LISTEN, source_ports=[port, other.getsockname()[1]])
            assert len(listening) == 2


def test_a_received_fin_is_not_an_unread_byte(diag: SockDiag, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    caller = socket.create_connection((host, port))
    taken, _ = listener.accept()
    with taken:
        caller.close()
        row = next(row for row in diag.tcp(CONNECTED, source_ports=[port]) if row.state == CLOSE_WAIT)
        assert (row.rqueue, row.unread_bytes) == (1, 0)


def test_time_wait_tells_its_age_and_has_no_inode(diag: SockDiag, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    with socket.create_connection((host, port)) as caller:
        taken, _ = listener.accept()
        taken.close()
        caller.recv(1)
    (row,) = diag.tcp(1 << TIME_WAIT, source_ports=[port], destination_ports=[port])
    assert row.local[1] == port
    assert row.inode == 0
    assert 55 < row.expires_s <= 60


def test_proc_tells_the_same_without_counts(diag: SockDiag, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    with socket.create_connection((host, port)) as caller:
        caller.sendall(b"abc")
        by_netlink = {
            (row.state, row.local, row.remote, row.rqueue, row.inode)
            for row in diag.tcp(CONNECTED, source_ports=[port])
        }
        by_proc = {
            (row.state, row.local, row.remote, row.rqueue, row.inode)
            for row in proc_tcp(CONNECTED)
            if row.local[1] == port
        }
        assert by_netlink == by_proc
        assert len(by_proc) == 1


def test_a_unix_listener_tells_its_queue(diag: SockDiag, tmp_path: object) -> None:
    path = f"{tmp_path}/queue.sock"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as caller:
        listener.bind(path)
        listener.listen(7)
        caller.connect(path)
        row = next(each for each in diag.unix(1 << LISTEN) if each.path == path)
        assert (row.rqueue, row.wqueue) == (1, 7)


def test_addresses_are_written_as_people_write_them() -> None:
    assert address_text((bytes([127, 0, 0, 1]), 80)) == "127.0.0.1:80"
    assert address_text((bytes(15) + b"\1", 443)) == "[::1]:443"


def test_one_walk_tells_both_families_what_two_walks_tell(diag: SockDiag) -> None:
    with contextlib.ExitStack() as stack:
        ports = []
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            server = stack.enter_context(socket.create_server((host, 0), family=family))
            stack.enter_context(socket.create_connection(server.getsockname()[:2]))
            ports.append(server.getsockname()[1])
        together = diag.tcp(ALIVE, source_ports=ports, info=True)
        apart = [
            row
            for family in (socket.AF_INET, socket.AF_INET6)
            for row in diag.tcp(ALIVE, source_ports=ports, info=True, families=[family])
        ]
    assert {row.local[1] for row in together} == set(ports)
    assert sorted(row[:7] for row in together) == sorted(row[:7] for row in apart)
