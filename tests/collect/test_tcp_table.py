from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from unslow.collect.netlink import ESTABLISHED, LISTEN, Connection, SockDiag
from unslow.collect.tcp_table import TcpTable


class Counted(SockDiag):
    """The kernel's own answers, counted."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    def tcp(
        self,
        states: int,
        *,
        source_ports: Iterable[int] = (),
        destination_ports: Iterable[int] = (),
        info: bool = False,
        families: Iterable[int] = (),
    ) -> list[Connection]:
        self.asked.append((tuple(source_ports), tuple(destination_ports)))
        return super().tcp(
            states, source_ports=source_ports, destination_ports=destination_ports, info=info, families=families
        )


@contextmanager
def connected() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            yield port


V4 = (socket.AF_INET,)


def test_one_walk_serves_two_readers_and_each_sees_only_its_own() -> None:
    with connected() as first, connected() as second, Counted() as diag:
        table = TcpTable(diag)
        server, caller = table.view(), table.view()
        for _ in range(2):  # in the first round nobody knows yet what the other wants
            table._read_s = 0.0
            served = server.tcp(1 << ESTABLISHED | 1 << LISTEN, source_ports=[first], families=V4)
            called = caller.tcp(1 << ESTABLISHED, destination_ports=[second], families=V4)
        assert diag.asked[-1] == ((first,), (second,))
        assert len(diag.asked) == 3
        assert {row.state for row in served} == {LISTEN, ESTABLISHED}
        assert {row.local[1] for row in served} == {first}
        assert [row.remote[1] for row in called] == [second]
        assert all(row.info for row in called)


def test_a_search_through_everything_is_not_repeated_for_the_other_reader() -> None:
    with connected() as first, Counted() as diag:
        table = TcpTable(diag)
        server, caller = table.view(), table.view()
        assert len(caller.tcp(1 << ESTABLISHED, families=V4)) >= 2
        table._read_s = 0.0
        server.tcp(1 << ESTABLISHED, source_ports=[first], families=V4)
        assert diag.asked[-1] == ((first,), ())
