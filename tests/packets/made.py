"""Packets made byte by byte, whose every millisecond is known."""

from __future__ import annotations

import struct

SYN, RST, ACK = 2, 4, 16
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
