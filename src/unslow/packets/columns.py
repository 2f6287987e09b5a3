"""Header fields of many packets at once: TCP segments and DNS messages, over IPv4 and IPv6, on the usual links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from unslow.packets.records import Records

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
FIN, SYN, RST, ACK = 1, 2, 4, 16
CHUNK = 1 << 17
"""Packets decoded at a time: what bounds the memory beside the columns."""
LINKS = {0: 4, 1: 14, 12: 0, 14: 0, 101: 0, 108: 4, 113: 16, 228: 0, 229: 0, 276: 20}
"""Bytes before the packet: loopback, Ethernet, raw IP, Linux cooked 1 and 2."""
_TYPE_AT = {1: 12, 113: 14, 276: 0}
"""Where a link says which protocol follows."""
_VLAN = (0x8100, 0x88A8)
_EXTENSIONS = (0, 43, 60)
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(slots=True, frozen=True)
class Segments:
    """TCP, one row each. `source` and `sink` are numbers of an address with its port; `ip` is where the IP header is."""

    at_ns: Ints
    ip: Ints
    source: Words
    sink: Words
    sequence: Ints
    acknowledged: Ints
    flags: Ints
    window: Ints
    length: Ints
    identity: Ints
    """Of the IPv4 packet; 0 where it has none."""


@dataclass(slots=True, frozen=True)
class Questions:
    """DNS over UDP: both directions."""

    at_ns: Ints
    source: Words
    sink: Words
    identity: Ints
    flags: Ints


@dataclass(slots=True, frozen=True)
class Columns:
    segments: Segments
    questions: Questions
    fragments: int
    other: int
    """Packets that are neither TCP nor DNS, or of which too little was kept."""


def columns(content: Any, records: Records) -> Columns:
    data = np.frombuffer(content, dtype=np.uint8)
    parts = [_decoded(data, records, first) for first in range(0, len(records.start), CHUNK)]
    if not parts:
        empty, words = np.empty(0, np.int64), np.empty(0, np.uint64)
        segments = Segments(empty, empty, words, words, empty, empty, empty, empty, empty, empty)
        return Columns(segments, Questions(empty, words, words, empty, empty), 0, 0)

    def joined(which: Literal[0, 1], width: int) -> list[Any]:
        return [np.concatenate([part[which][number] for part in parts]) for number in range(width)]

    return Columns(
        Segments(*joined(0, 10)),
        Questions(*joined(1, 5)),
        sum(part[2] for part in parts),
        sum(part[3] for part in parts),
    )


class _Bytes:
    """Numbers at many places; a place beyond the end reads the last bytes, and the caller's mask throws it away."""

    def __init__(self, data: npt.NDArray[np.uint8]) -> None:
        self._views = {
            width: np.ndarray((max(0, len(data) - width + 1),), f">u{width}", data, strides=(1,)) for width in (1, 2, 4)
        }

    def _at(self, at: Ints, width: int) -> Ints:
        view = self._views[width]
        if not len(view):
            return np.zeros(len(at), np.int64)
        return view[np.minimum(at, len(view) - 1)].astype(np.int64)

    def u8(self, at: Ints) -> Ints:
        return self._at(at, 1)

    def u16(self, at: Ints) -> Ints:
        return self._at(at, 2)

    def u32(self, at: Ints) -> Ints:
        return self._at(at, 4)


def _decoded(data: npt.NDArray[np.uint8], records: Records, first: int) -> tuple[list[Any], list[Any], int, int]:
    rows = slice(first, first + CHUNK)
    start, link = records.start[rows], records.link[rows]
    end = start + records.kept[rows]
    read = _Bytes(data)
    ip = _after_link(read, start, end, link)
    version = np.where(ip + 20 <= end, read.u8(ip) >> 4, 0)
    four = version == 4
    six = (version == 6) & (ip + 40 <= end)
    body, protocol, total = ip + 40, read.u8(ip + 6), read.u16(ip + 4) + 40
    body = np.where(four, ip + (read.u8(ip) & 15) * 4, body)
    protocol = np.where(four, read.u8(ip + 9), protocol)
    total = np.where(four, read.u16(ip + 2), total)
    # Segments that the network card is to cut have no length of their own yet.
    beyond = records.sent[rows] - (ip - start)
    total = np.where((total == 0) | (six & (total == 40)), beyond, total)
    for _ in range(4):
        extended = six & np.isin(protocol, _EXTENSIONS) & (body + 8 <= end)
        if not extended.any():
            break
        protocol, body = (
            np.where(extended, read.u8(body), protocol),
            np.where(extended, body + (read.u8(body + 1) + 1) * 8, body),
        )
    fragment = (four & ((read.u16(ip + 6) & 0x1FFF) > 0)) | (six & (protocol == 44))
    whole = (four & (body >= ip + 20) | six) & ~fragment
    tcp = np.flatnonzero(whole & (protocol == 6) & (body + 16 <= end))
    udp = np.flatnonzero(whole & (protocol == 17) & (body + 12 <= end))
    at_ns = records.at_ns[rows]
    segments = _segments(read, at_ns[tcp], ip[tcp], body[tcp], total[tcp], four[tcp])
    udp = udp[(read.u16(body[udp]) == 53) | (read.u16(body[udp] + 2) == 53)]
    source, sink = _ends(read, ip[udp], body[udp], four[udp])
    questions = [at_ns[udp], source, sink, read.u16(body[udp] + 8), read.u16(body[udp] + 10)]
    return segments, questions, int(fragment.sum()), len(start) - len(tcp) - len(udp) - int(fragment.sum())


def _after_link(read: _Bytes, start: Ints, end: Ints, link: Ints) -> Ints:
    """Where the IP header is; at the end where there is none."""
    ip = end.copy()
    for kind in np.unique(link).tolist():
        if kind not in LINKS:
            continue
        mine = np.flatnonzero(link == kind)
        at = start[mine] + LINKS[kind]
        if kind in _TYPE_AT:
            what = read.u16(start[mine] + _TYPE_AT[kind])
            for _ in range(2):
                tagged = np.isin(what, _VLAN) & (at + 4 <= end[mine])
                if not tagged.any():
                    break
                what, at = np.where(tagged, read.u16(at + 2), what), np.where(tagged, at + 4, at)
            at = np.where((what == 0x0800) | (what == 0x86DD), at, end[mine])
        ip[mine] = np.minimum(at, end[mine])
    return ip


def _segments(read: _Bytes, at_ns: Ints, ip: Ints, body: Ints, total: Ints, four: npt.NDArray[np.bool_]) -> list[Any]:
    source, sink = _ends(read, ip, body, four)
    header = (read.u8(body + 12) >> 4) * 4
    length = np.maximum(0, total - (body - ip) - header)
    identity = np.where(four, read.u16(ip + 4), 0)
    return [
        at_ns,
        ip,
        source,
        sink,
        read.u32(body + 4),
        read.u32(body + 8),
        read.u8(body + 13) & 0x3F,
        read.u16(body + 14),
        length,
        identity,
    ]


def _ends(read: _Bytes, ip: Ints, body: Ints, four: npt.NDArray[np.bool_]) -> tuple[Words, Words]:
    """An IPv4 address with its port is its own number; of an IPv6 address the upper bits are folded."""
    found = []
    for of_four, of_six, port in ((12, 8, 0), (16, 24, 2)):
        short = (read.u32(ip + of_four) << 16) | read.u16(body + port)
        words = short.astype(np.uint64)
        long = np.flatnonzero(~four)
        if len(long):
            folded = np.zeros(len(long), np.uint64)
            for step in range(0, 16, 4):
                folded = (folded ^ read.u32(ip[long] + of_six + step).astype(np.uint64)) * _MIX
                folded ^= folded >> np.uint64(29)
            held = read.u16(body[long] + port).astype(np.uint64)
            words[long] = (folded & ~np.uint64(0xFFFF)) | held | np.uint64(1 << 63)
        found.append(words)
    return found[0], found[1]
