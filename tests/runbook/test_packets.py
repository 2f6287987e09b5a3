"""Captures made byte by byte, whose every millisecond is known."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from unslow.runbook.packets import ACK, RST, SYN, read, verdict

CLIENT, SERVER = (b"\x0a\x00\x00\x01", 40000), (b"\x0a\x00\x00\x02", 8000)
End = tuple[bytes, int]


def tcp(source: End, sink: End, flags: int, sequence: int, data: int = 0, window: int = 500) -> bytes:
    head = struct.pack(">HHIIBBHHH", source[1], sink[1], sequence, 0, 5 << 4, flags, window, 0, 0)
    return ip(6, source[0], sink[0], head, data)


def udp(source: End, sink: End, identity: int, answer: bool) -> bytes:
    dns = struct.pack(">HHHHHH", identity, 0x8180 if answer else 0x0100, 1, 0, 0, 0)
    return ip(17, source[0], sink[0], struct.pack(">HHHH", source[1], sink[1], 8 + len(dns), 0) + dns, 0)


def ip(protocol: int, source: bytes, sink: bytes, body: bytes, beyond: int) -> bytes:
    """`beyond`: bytes of payload that the snap length cut off."""
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body) + beyond, 0, 0, 64, protocol, 0, source, sink)
    return head + body


def capture(*packets: tuple[float, bytes]) -> bytes:
    """Raw IP link type, times in ms."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 256, 101)]
    for at_ms, packet in packets:
        parts.append(
            struct.pack("<IIII", int(at_ms // 1000), int(at_ms % 1000 * 1000), len(packet), len(packet)) + packet
        )
    return b"".join(parts)


def talk(start_ms: float, port: int = 40000) -> list[tuple[float, bytes]]:
    """10 ms of network, 70 ms of server."""
    client = (CLIENT[0], port)
    return [
        (start_ms, tcp(client, SERVER, SYN, 100)),
        (start_ms + 10, tcp(SERVER, client, SYN | ACK, 500)),
        (start_ms + 11, tcp(client, SERVER, ACK, 101, 50)),
        (start_ms + 81, tcp(SERVER, client, ACK, 501, 200)),
    ]


def test_network_and_server_are_told_apart() -> None:
    seen = read(capture(*talk(0), *talk(200, 40001)))
    assert seen is not None
    assert [round(one) for one in seen.network_ms] == [10, 10]
    assert [round(one) for one in seen.server_ms] == [70, 70]
    assert seen.connections == 2
    assert seen.retransmits == 0
    _, means = verdict(capture(*talk(0)))
    assert "in the server" in means[0]


def test_a_segment_that_comes_again_is_a_retransmit() -> None:
    again = (300.0, tcp(CLIENT, SERVER, ACK, 101, 50))
    seen = read(capture(*talk(0), again))
    assert seen is not None
    assert seen.retransmits == 1
    assert any("sent again" in line for line in verdict(capture(*talk(0), again))[1])


def test_sequence_numbers_wrap_around() -> None:
    first = (1.0, tcp(CLIENT, SERVER, ACK, 2**32 - 20, 20))
    second = (2.0, tcp(CLIENT, SERVER, ACK, 0, 20))
    seen = read(capture(first, second))
    assert seen is not None
    assert seen.retransmits == 0


def test_lost_syn_resets_and_zero_windows_are_counted() -> None:
    seen = read(
        capture(
            (0.0, tcp(CLIENT, SERVER, SYN, 100)),
            (1000.0, tcp(CLIENT, SERVER, SYN, 100)),
            (1010.0, tcp(SERVER, CLIENT, SYN | ACK, 500)),
            (1020.0, tcp(SERVER, CLIENT, ACK, 501, 0, window=0)),
            (1030.0, tcp(SERVER, CLIENT, RST, 501)),
        )
    )
    assert seen is not None
    assert (seen.syn_again, seen.zero_windows, seen.resets) == (1, 1, 1)
    assert round(seen.network_ms[0]) == 1010, "from the first SYN: that is what the caller waited"


def test_questions_to_dns_are_matched_with_their_answers() -> None:
    asker, names = (CLIENT[0], 5000), (SERVER[0], 53)
    seen = read(
        capture(
            (0.0, udp(asker, names, 7, False)), (1.0, udp(asker, names, 8, False)), (5.0, udp(names, asker, 7, True))
        )
    )
    assert seen is not None
    assert [round(one) for one in seen.dns_ms] == [5]
    assert len(seen.dns_open) == 1


def test_what_is_no_capture_says_so() -> None:
    assert read(b"") is None
    assert "no pcap" in verdict(b"hello, this is no capture at all")[1][0]


def test_an_empty_capture_is_no_verdict() -> None:
    assert "No packet" in verdict(capture())[1][0]


@given(st.binary(max_size=400), st.integers(0, 200))
def test_damaged_captures_are_read_as_far_as_they_go(noise: bytes, cut: int) -> None:
    whole = capture(*talk(0))
    for content in (whole[: len(whole) - cut] + noise, whole[:24] + noise, noise):
        verdict(content)
