"""Captures made byte by byte, in every wrapping, and damaged at random."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packets.made import ACK, CLIENT, RST, SERVER, SYN, talk, tcp, udp
from unslow.cli import main
from unslow.errors import BadInput
from unslow.packets.verdict import Verdict, verdict

Timed = tuple[float, bytes]
FRAMES: dict[int, Callable[[bytes], bytes]] = {
    0: lambda packet: struct.pack("<I", 2) + packet,
    1: lambda packet: bytes(12) + b"\x08\x00" + packet,
    101: lambda packet: packet,
    113: lambda packet: bytes(14) + b"\x08\x00" + packet,
    276: lambda packet: b"\x08\x00" + bytes(18) + packet,
}


def pcap(packets: list[Timed], link: int = 101, mark: str = "<", nano: bool = False) -> bytes:
    wrap, unit = FRAMES[link], 1_000_000 if nano else 1000
    parts = [struct.pack(mark + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 256, link)]
    for at_ms, packet in packets:
        frame = wrap(packet)
        parts.append(struct.pack(mark + "IIII", int(at_ms // 1000), int(at_ms % 1000 * unit), len(frame), len(frame)))
        parts.append(frame)
    return b"".join(parts)


def pcapng(packets: list[Timed], mark: str = "<", resolution: int = 9) -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack(mark + "II", kind, len(body) + 12) + body + struct.pack(mark + "I", len(body) + 12)

    clock = struct.pack(mark + "HHB3xHH", 9, 1, resolution, 0, 0)
    parts = [
        block(0x0A0D0D0A, struct.pack(mark + "IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(1, struct.pack(mark + "HHI", 101, 0, 256) + clock),
    ]
    for at_ms, packet in packets:
        ticks = round(at_ms * 10 ** (resolution - 3))
        parts.append(
            block(6, struct.pack(mark + "IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(packet), len(packet)) + packet)
        )
    return b"".join(parts)


def talked(start_ms: float = 0, port: int = 40000) -> list[Timed]:
    """SYN to SYN-ACK 10 ms, ACK 1 ms, the answer 70 ms after the question, seen at the client."""
    return talk(start_ms, port)


def check(found: Verdict) -> None:
    assert found.connections == found.requests == 1
    assert found.handshake is not None
    assert found.handshake.median_ms == pytest.approx(11)
    assert found.server is not None
    assert found.server.median_ms == pytest.approx(60)
    assert (found.retransmitted, found.opening_again, found.duplicates) == (0, 0, 0)


@pytest.mark.parametrize("mark", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_both_byte_orders_and_clocks(mark: str, nano: bool) -> None:
    check(verdict(pcap(talked(), mark=mark, nano=nano)))


@pytest.mark.parametrize("link", FRAMES)
def test_links(link: int) -> None:
    check(verdict(pcap(talked(), link)))


def test_two_vlan_tags() -> None:
    tagged = [(at, bytes(12) + b"\x88\xa8\x00\x01\x81\x00\x00\x02\x08\x00" + packet) for at, packet in talked()]
    raw = pcap(tagged)
    check(verdict(raw[:20] + struct.pack("<I", 1) + raw[24:]))


@pytest.mark.parametrize("mark", ["<", ">"])
@pytest.mark.parametrize("resolution", [6, 9])
def test_pcapng(mark: str, resolution: int) -> None:
    check(verdict(pcapng(talked(), mark, resolution)))


def test_ipv6_with_an_extension_header() -> None:
    def six(packet: bytes) -> bytes:
        source, sink = (bytes(12) + packet[at : at + 4] for at in (12, 16))
        length = struct.unpack_from(">H", packet, 2)[0] - 20 + 8
        return struct.pack(">IHBB", 6 << 28, length, 0, 64) + source + sink + bytes([6, 0]) + bytes(6) + packet[20:]

    found = verdict(pcap([(at, six(packet)) for at, packet in talked()]))
    check(found)
    assert found.worst[0].server == "[::a00:2]:8000"


def test_sent_again_is_counted_and_its_wait_is_the_networks() -> None:
    packets = [*talked()[:3], (211.0, tcp(CLIENT, SERVER, ACK, 101, 50)), (281.0, talked()[3][1])]
    found = verdict(pcap(packets))
    assert found.retransmitted == 1
    assert found.server is not None
    assert found.server.median_ms == pytest.approx(60)
    assert found.network is not None
    assert found.network.median_ms == pytest.approx(211)
    assert "most of the time is spent in the network" in found.means[0]


def test_a_lost_syn_is_the_same_connection_and_another_number_is_a_new_one() -> None:
    lost = [(0.0, talked()[0][1]), *((at + 1000, packet) for at, packet in talked())]
    found = verdict(pcap(lost))
    assert (found.connections, found.opening_again) == (1, 1)
    assert found.opening is not None
    assert found.opening.median_ms == pytest.approx(1011)
    again = [*talked(), (500.0, tcp(CLIENT, SERVER, SYN, 9_000_000))]
    assert verdict(pcap(again)).connections == 2


def test_sequence_numbers_wrap_around() -> None:
    packets = [(1.0, tcp(CLIENT, SERVER, ACK, 2**32 - 20, 20)), (2.0, tcp(CLIENT, SERVER, ACK, 0, 20))]
    assert verdict(pcap(packets)).retransmitted == 0
    assert verdict(pcap([*packets, (3.0, packets[0][1])])).retransmitted == 1


def test_copies_of_packets_are_counted_once_and_said() -> None:
    numbered = [(at, packet[:4] + struct.pack(">H", 7 + row) + packet[6:]) for row, (at, packet) in enumerate(talked())]
    twice = sorted([*numbered, *((at + 0.02, packet) for at, packet in numbered)])
    found = verdict(pcap(twice, nano=True))
    assert found.duplicates == len(numbered)
    assert found.retransmitted == 0
    assert any("two interfaces" in text for text in found.limits)


def test_missing_packets_and_one_direction_are_said() -> None:
    acked = tcp(SERVER, CLIENT, ACK, 501)
    acked = acked[:28] + struct.pack(">I", 5000) + acked[32:]
    assert any("missed" in text for text in verdict(pcap([*talked(), (90.0, acked)])).limits)
    forth = [(float(at), tcp(CLIENT, SERVER, ACK, 100 + at * 10, 10)) for at in range(5)]
    assert any("one direction" in text for text in verdict(pcap(forth)).limits)


def test_zero_windows_and_resets() -> None:
    found = verdict(
        pcap([*talked(), (90.0, tcp(SERVER, CLIENT, ACK, 701, 0, window=0)), (91.0, tcp(SERVER, CLIENT, RST, 701))])
    )
    assert (found.zero_windows, found.resets) == (1, 1)


def test_dns() -> None:
    asker, names = (CLIENT[0], 5000), (SERVER[0], 53)
    failed = bytearray(udp(names, asker, 8, True))
    failed[31] = 0x83
    packets = [
        (0.0, udp(asker, names, 7, False)),
        (1.0, udp(asker, names, 8, False)),
        (2.0, udp(asker, names, 9, False)),
    ]
    found = verdict(pcap([*packets, (5.0, udp(names, asker, 7, True)), (6.0, bytes(failed))]))
    assert found.dns is not None
    assert found.dns.median_ms == pytest.approx(5)
    assert (found.dns_unanswered, found.dns_failures) == (1, {"NXDOMAIN": 1})


def test_one_port_only() -> None:
    other = [(at, packet[:22] + struct.pack(">H", 9999) + packet[24:]) for at, packet in talked()[:1]]
    assert verdict(pcap([*talked(), *other])).connections == 2
    assert verdict(pcap([*talked(), *other]), port=8000).connections == 1


@pytest.mark.parametrize("write", [pcap, pcapng])
def test_damaged_files_end_in_an_answer_or_one_error(write: Callable[[list[Timed]], bytes]) -> None:
    whole, chance = write([*talked(), (90.0, udp((CLIENT[0], 5000), (SERVER[0], 53), 7, False))]), random.Random(4)
    for _ in range(1500):
        bad = bytearray(whole[: chance.randrange(len(whole) + 1)])
        for _ in range(chance.randrange(6)):
            if bad:
                bad[chance.randrange(len(bad))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        try:
            verdict(bytes(bad))
        except BadInput as error:
            assert error.message


def test_a_file_cut_within_a_packet_says_so() -> None:
    whole = pcap(talked())
    found = verdict(whole[:-3])
    assert found.packets == 3
    assert "ends within packet 4" in found.limits[0]


@pytest.mark.parametrize("content", [b"", b"no capture", b"\x1f\x8b" + bytes(40), pcap([])[:24] + b"\xff" * 40])
def test_what_cannot_be_read_is_one_line(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.pcap"
    file.write_bytes(content)
    assert main(["packets", str(file)]) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert told.strip()
