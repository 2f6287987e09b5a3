"""A small capture in plain words: the way there, the answering server, retransmits, zero windows, resets, DNS.

Bounded input (a few ten thousand packet headers); pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median

_LOOPBACK, _OUTGOING = 772, 4
_LINKS = {1: 14, 12: 0, 101: 0, 113: 16, 276: 20}
"""Length of the header before the packet: Ethernet, raw, Linux cooked 1 and 2."""
FIN, SYN, RST, ACK = 1, 2, 4, 16
_SEQUENCES = 2**32


@dataclass(slots=True)
class Segment:
    at_s: float
    source: tuple[bytes, int]
    sink: tuple[bytes, int]
    sequence: int
    flags: int
    window: int
    length: int


@dataclass(slots=True)
class Talk:
    """One connection, both directions."""

    syn_s: float | None = None
    asked_s: float | None = None
    next: dict[tuple[bytes, int], int] = field(default_factory=dict)
    client: tuple[bytes, int] | None = None


@dataclass(slots=True)
class Seen:
    packets: int = 0
    connections: int = 0
    network_ms: list[float] = field(default_factory=list)
    server_ms: list[float] = field(default_factory=list)
    dns_ms: list[float] = field(default_factory=list)
    dns_open: dict[tuple[bytes, int, int], float] = field(default_factory=dict)
    retransmits: int = 0
    zero_windows: int = 0
    resets: int = 0
    syn_again: int = 0
    data_segments: int = 0


def verdict(content: bytes) -> tuple[list[str], list[str]]:
    """Figures, and what they mean. A file that is no capture says so; a truncated one is read as far as it goes."""
    seen = read(content)
    if seen is None:
        return [], ["The capture is no pcap file that is understood."]
    figures = [
        f"{seen.packets} packets, {seen.connections} connections",
        f"network (SYN to SYN-ACK): {_spread(seen.network_ms)}",
        f"server (request to first byte of the answer): {_spread(seen.server_ms)}",
        f"DNS (question to answer): {_spread(seen.dns_ms)}, {len(seen.dns_open)} without an answer",
        f"{seen.retransmits} retransmitted of {seen.data_segments} data segments, {seen.syn_again} SYN again, "
        f"{seen.zero_windows} zero windows, {seen.resets} resets",
    ]
    return figures, _meaning(seen)


def _meaning(seen: Seen) -> list[str]:
    told = []
    if not seen.packets:
        return ["No packet in that time: capture while there is traffic."]
    if seen.network_ms and seen.server_ms:
        network, server = median(seen.network_ms), median(seen.server_ms)
        share = network / (network + server) if network + server else 0.0
        where = "the network" if share > 0.5 else "the server"
        told.append(f"Network {network:.1f} ms, server {server:.1f} ms at the median: the time is spent in {where}.")
    lost = seen.retransmits / seen.data_segments if seen.data_segments else 0.0
    if lost > 0.01 or seen.syn_again:
        told.append(
            f"{lost:.1%} of the segments were sent again, and {seen.syn_again} SYNs: packets are lost on the way."
        )
    if seen.zero_windows:
        told.append(f"{seen.zero_windows} zero windows: a receiver does not read fast enough.")
    if seen.dns_open:
        told.append(f"{len(seen.dns_open)} questions to DNS had no answer.")
    return told or ["No connection was opened in that time: only established ones were seen, so the way is not timed."]


def _spread(values: list[float]) -> str:
    return f"median {median(values):.1f} ms, worst {max(values):.1f} ms, n {len(values)}" if values else "not seen"


def read(content: bytes) -> Seen | None:
    frames = _frames(content)
    if frames is None:
        return None
    seen, talks = Seen(), dict[frozenset[tuple[bytes, int]], Talk]()
    for at_s, packet in frames:
        seen.packets += 1
        protocol, source, sink, body, length = _addresses(packet)
        if protocol == 6 and len(body) >= 20:
            segment = _segment(at_s, source, sink, body, length)
            key = frozenset((segment.source, segment.sink))
            if key not in talks:
                talks[key] = Talk()
            _follow(talks[key], segment, seen)
        elif protocol == 17 and len(body) >= 20:
            _name(at_s, source, sink, body, seen)
    seen.connections = len(talks)
    return seen


def _frames(content: bytes) -> Iterator[tuple[float, bytes]] | None:
    order = {b"\xd4\xc3\xb2\xa1": ("<", 1e-6), b"\x4d\x3c\xb2\xa1": ("<", 1e-9), b"\xa1\xb2\xc3\xd4": (">", 1e-6)}
    if len(content) < 24 or content[:4] not in order:
        return None
    mark, unit = order[content[:4]]
    link = struct.unpack_from(mark + "I", content, 20)[0] & 0xFFFF
    return _packets(content, mark, unit, link) if link in _LINKS else None


def _packets(content: bytes, mark: str, unit: float, link: int) -> Iterator[tuple[float, bytes]]:
    header, at = struct.Struct(mark + "IIII"), 24
    while at + 16 <= len(content):
        seconds, fraction, kept, _ = header.unpack_from(content, at)
        frame = content[at + 16 : at + 16 + kept]
        at += 16 + kept
        if len(frame) == kept and not _twice(frame, link):
            yield seconds + fraction * unit, frame[_LINKS[link] :]


def _twice(frame: bytes, link: int) -> bool:
    """On `any` a packet over loopback is seen leaving and arriving: one of the two counts."""
    if link == 113 and len(frame) >= 16:
        kind, device = struct.unpack_from(">HH", frame)
        return bool(device == _LOOPBACK and kind == _OUTGOING)
    if link == 276 and len(frame) >= 20:
        device, kind = struct.unpack_from(">H", frame, 8)[0], frame[10]
        return bool(device == _LOOPBACK and kind == _OUTGOING)
    return False


def _addresses(packet: bytes) -> tuple[int, bytes, bytes, bytes, int]:
    """Protocol (0: neither), both addresses, what was kept of the body, and its true length."""
    if len(packet) >= 20 and packet[0] >> 4 == 4:
        head = (packet[0] & 15) * 4
        length = struct.unpack_from(">H", packet, 2)[0] - head
        return packet[9], packet[12:16], packet[16:20], packet[head:], length
    if len(packet) >= 40 and packet[0] >> 4 == 6:
        return packet[6], packet[8:24], packet[24:40], packet[40:], struct.unpack_from(">H", packet, 4)[0]
    return 0, b"", b"", b"", 0


def _segment(at_s: float, source: bytes, sink: bytes, body: bytes, length: int) -> Segment:
    from_port, to_port, sequence, _, offset, flags, window = struct.unpack_from(">HHIIBBH", body)
    data = max(0, length - (offset >> 4) * 4)
    return Segment(at_s, (source, from_port), (sink, to_port), sequence, flags, window, data)


def _follow(talk: Talk, one: Segment, seen: Seen) -> None:
    if one.flags & RST:
        seen.resets += 1
        return
    if one.flags & SYN:
        _greeted(talk, one, seen)
        return
    if not one.window:
        seen.zero_windows += 1
    if talk.client is None:
        talk.client = one.source if one.source[1] > one.sink[1] else one.sink
    if not one.length:
        return
    seen.data_segments += 1
    expected = talk.next.get(one.source)
    end = (one.sequence + one.length) % _SEQUENCES
    if (expected is not None and (end - expected) % _SEQUENCES > _SEQUENCES // 2) or expected == end:
        seen.retransmits += 1
        return
    talk.next[one.source] = end
    if one.source == talk.client:
        talk.asked_s = one.at_s
    elif talk.asked_s is not None:
        seen.server_ms.append((one.at_s - talk.asked_s) * 1e3)
        talk.asked_s = None


def _greeted(talk: Talk, one: Segment, seen: Seen) -> None:
    if not one.flags & ACK:
        seen.syn_again += talk.syn_s is not None and talk.client == one.source
        talk.client = one.source
        if talk.syn_s is None:
            talk.syn_s = one.at_s
    elif talk.syn_s is not None:
        seen.network_ms.append((one.at_s - talk.syn_s) * 1e3)
        talk.syn_s = None


def _name(at_s: float, source: bytes, sink: bytes, body: bytes, seen: Seen) -> None:
    from_port, to_port = struct.unpack_from(">HH", body)
    identity, flags = struct.unpack_from(">HH", body, 8)
    if to_port == 53 and not flags & 0x8000:
        seen.dns_open.setdefault((source, from_port, identity), at_s)
    elif from_port == 53 and flags & 0x8000:
        asked_s = seen.dns_open.pop((sink, to_port, identity), None)
        if asked_s is not None:
            seen.dns_ms.append((at_s - asked_s) * 1e3)
