"""Where each packet of a pcap or pcapng file begins, when it was seen and on what kind of link."""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from unslow.errors import BadInput

MOST_KEPT_BYTES = 256 * 1024
"""The largest snap length that tcpdump knows; a longer record is damage."""
MOST_PACKETS = 1_000_000
"""What keeps a hostile or huge file below 512 MiB; what lies beyond is not read, and said."""
REMEDY = "give a file that tcpdump -w, dumpcap or tshark -w wrote"
_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""Byte order and nanoseconds per unit of the fraction."""
_SECTION = b"\x0a\x0d\x0d\x0a"
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd", b"\x04\x22": "lz4"}


@dataclass(slots=True, frozen=True)
class Records:
    """Columns, one row per packet: `at_ns` since 1970, `start` of the frame in the file, bytes kept and sent, link."""

    at_ns: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    kept: npt.NDArray[np.int64]
    sent: npt.NDArray[np.int64]
    link: npt.NDArray[np.int64]
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Rows:
    high: array[int] = field(default_factory=lambda: array("q"))
    low: array[int] = field(default_factory=lambda: array("q"))
    start: array[int] = field(default_factory=lambda: array("q"))
    kept: array[int] = field(default_factory=lambda: array("q"))
    sent: array[int] = field(default_factory=lambda: array("q"))
    interface: array[int] = field(default_factory=lambda: array("q"))


@dataclass(slots=True, frozen=True)
class _Interface:
    link: int
    units_per_s: int
    offset_s: int


def read(content: Any) -> Records:
    """`content`: the bytes of a file, or a map of them. Raises `BadInput` where there is no packet to be read."""
    magic = bytes(content[:4])
    if magic in _PCAP and len(content) >= 24:
        return _pcap(content, *_PCAP[magic])
    if magic == _SECTION and len(content) >= 28:
        return _pcapng(content)
    if magic[:2] in _COMPRESSED:
        raise BadInput(f"the capture is compressed with {_COMPRESSED[magic[:2]]}", "unpack it first")
    raise BadInput("this is no pcap or pcapng file", REMEDY)


def _pcap(content: Any, mark: str, unit_ns: int) -> Records:
    length_at = struct.Struct(mark + "I").unpack_from
    link = length_at(content, 20)[0] & 0xFFFF
    starts: array[int] = array("q")
    at, end, notes = 24, len(content), []
    last = end - 16
    while at <= last:
        kept = length_at(content, at + 8)[0]
        following = at + 16 + kept
        if kept > MOST_KEPT_BYTES or following > end:
            notes.append(_damage(kept, len(starts)))
            break
        if len(starts) == MOST_PACKETS:
            notes.append(_beyond())
            break
        starts.append(at)
        at = following
    else:
        if at != end:
            notes.append(_damage(0, len(starts)))
    head = np.frombuffer(starts, dtype=np.int64) if starts else np.empty(0, np.int64)
    numbers = np.ndarray((max(0, end - 3),), mark + "u4", content, strides=(1,))
    whole, part, kept_bytes, sent = (numbers[head + step].astype(np.int64) for step in (0, 4, 8, 12))
    at_ns = whole * 1_000_000_000 + part * unit_ns
    return Records(at_ns, head + 16, kept_bytes, sent, np.full(len(head), link, np.int64), tuple(notes))


def _damage(kept: int, packets: int) -> str:
    if kept > MOST_KEPT_BYTES:
        return f"the file is damaged after packet {packets}: a length of {kept} bytes; the rest was not read"
    return f"the file ends within packet {packets + 1}"


def _beyond() -> str:
    return f"only the first {MOST_PACKETS} packets were read"


def _pcapng(content: Any) -> Records:
    rows, notes, interfaces = _Rows(), list[str](), list[_Interface]()
    at, end, mark, first, untimed = 0, len(content), "<", 0, 0
    packet, sizes = struct.Struct("<IIIII"), struct.Struct("<II")
    while at + 12 <= end:
        if content[at : at + 4] == _SECTION:
            mark = "<" if content[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            packet, sizes, first = struct.Struct(mark + "IIIII"), struct.Struct(mark + "II"), len(interfaces)
        kind, length = sizes.unpack_from(content, at)
        if length < 12 or length % 4 or at + length > end:
            notes.append(
                f"the file ends within a block, after packet {len(rows.start)}"
                if at + length > end and length <= MOST_KEPT_BYTES * 2
                else f"the file is damaged after packet {len(rows.start)}: a block of {length} bytes"
            )
            break
        if kind == 6 and length >= 32:
            number, high, low, kept, sent = packet.unpack_from(content, at + 8)
            if kept > length - 32 or first + number >= len(interfaces):
                notes.append(f"the file is damaged after packet {len(rows.start)}; the rest was not read")
                break
            if len(rows.start) == MOST_PACKETS:
                notes.append(_beyond())
                break
            rows.high.append(high)
            rows.low.append(low)
            rows.start.append(at + 28)
            rows.kept.append(kept)
            rows.sent.append(sent)
            rows.interface.append(first + number)
        elif kind == 1 and length >= 20:
            interfaces.append(_interface(content[at + 8 : at + length - 4], mark))
        elif kind in (2, 3):
            untimed += 1
        at += length
    if untimed:
        notes.append(f"{untimed} packets in blocks without a time or of an old kind were not read")
    return _timed(rows, interfaces, notes)


def _interface(body: bytes, mark: str) -> _Interface:
    """Link type and clock: option 9 is the resolution, option 14 an offset in seconds."""
    link = struct.unpack_from(mark + "H", body)[0]
    at, units, offset = 8, 1_000_000, 0
    while at + 4 <= len(body):
        code, length = struct.unpack_from(mark + "HH", body, at)
        value = body[at + 4 : at + 4 + length]
        if code == 0:
            break
        if code == 9 and len(value) == 1:
            exponent = value[0] & 0x7F
            units = 2 ** min(exponent, 62) if value[0] & 0x80 else 10 ** min(exponent, 18)
        if code == 14 and len(value) == 8:
            offset = struct.unpack(mark + "q", value)[0]
        at += 4 + (length + 3) // 4 * 4
    return _Interface(link, units, offset if abs(offset) < 2**32 else 0)


def _timed(rows: _Rows, interfaces: list[_Interface], notes: list[str]) -> Records:
    def column(values: array[int]) -> npt.NDArray[np.int64]:
        return np.array(values, dtype=np.int64)

    interface = column(rows.interface)
    ticks = (column(rows.high).astype(np.uint64) << np.uint64(32)) | column(rows.low).astype(np.uint64)
    at_ns, link = np.zeros(len(interface), np.int64), np.zeros(len(interface), np.int64)
    for number in np.unique(interface).tolist():
        one, mine = interfaces[number], interface == number
        units = np.uint64(one.units_per_s)
        whole, part = ticks[mine] // units, ticks[mine] % units
        whole_s = np.minimum(whole, np.uint64(2**33)).astype(np.int64) + one.offset_s
        at_ns[mine] = whole_s * 1_000_000_000 + (part.astype(np.float64) * (1e9 / one.units_per_s)).round().astype(
            np.int64
        )
        link[mine] = one.link
    return Records(at_ns, column(rows.start), column(rows.kept), column(rows.sent), link, tuple(notes))
