from __future__ import annotations

import dataclasses
import socket
import time
from pathlib import Path

import msgspec
import pytest

from unslow.collect.discovery import find
from unslow.collect.packets import NAMES, PacketReader, counters
from unslow.errors import Unavailable
from unslow.evidence.window import Window

SNMP = "Ip: Forwarding DefaultTTL\nIp: 1 64\nTcp: OutSegs RetransSegs MaxConn\nTcp: 100 3 -1\n"
NETSTAT = "TcpExt: TCPTimeouts TCPSynRetrans\nTcpExt: 2 1\n"


def test_names_and_numbers_are_on_lines_of_their_own() -> None:
    found = counters(SNMP) | counters(NETSTAT)
    assert [found[name] for name in NAMES] == [100, 3, 1, 2]


def test_segments_of_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        reader = PacketReader(find(f"http://127.0.0.1:{port}/"))
        before = time.time()
        with socket.create_connection(("127.0.0.1", port)):
            pass
        time.sleep(0.55)
        reader.sample()
        found = reader.result(Window(start_s=before, end_s=time.time()))
        reader.close()
    assert found.segments_out >= 2
    assert found.seconds >= 0.5


def test_growth_between_two_readings(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = find(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    folder = tmp_path / str(found.workers[0]) / "net"
    folder.mkdir(parents=True)
    (folder / "snmp").write_text(SNMP)
    (folder / "netstat").write_text(NETSTAT)
    start_s = time.time()
    reader = PacketReader(found, tmp_path)
    (folder / "snmp").write_text(SNMP.replace("100 3", "160 9"))
    (folder / "netstat").write_text(NETSTAT.replace("2 1", "7 1"))
    with pytest.raises(Unavailable):
        reader.result(Window(start_s=start_s, end_s=time.time()))
    time.sleep(0.55)
    reader.sample()
    grown = reader.result(Window(start_s=start_s, end_s=time.time()))
    assert msgspec.structs.astuple(grown)[1:] == (60, 6, 0, 5)


def test_processes_that_cannot_be_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = find(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    with pytest.raises(Unavailable, match="counters of TCP segments"):
        PacketReader(dataclasses.replace(found, workers=()))


def test_a_kernel_without_these_counters(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = find(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    folder = tmp_path / str(found.workers[0]) / "net"
    folder.mkdir(parents=True)
    (folder / "snmp").write_text("Tcp: OutSegs\nTcp: 1\n")
    (folder / "netstat").write_text("")
    with pytest.raises(Unavailable):
        PacketReader(found, tmp_path)
