"""The kernel's socket tables by netlink (SOCK_DIAG), with /proc/net/tcp as the rung below.

One dump with a port filter costs far less than reading /proc/net/tcp, which prints every
TIME_WAIT row of the machine; and only netlink tells round trips and segment counts.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from unslow.errors import Unavailable

ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT = 1, 2, 3, 4, 5, 6
CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING = 7, 8, 9, 10, 11
CONNECTED = (1 << ESTABLISHED) | (1 << CLOSE_WAIT)
"""Both directions or the answering direction still open."""
ALIVE = CONNECTED | sum(1 << state for state in (SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, LAST_ACK, CLOSING))
TIME_WAIT_S = 60.0
"""TCP_TIMEWAIT_LEN: a constant of the Linux kernel, not a setting."""

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_TCP_OF_ALL_FAMILIES = 18
"""TCPDIAG_GETSOCK, the older question: one walk through the table answers for IPv4 and IPv6."""
_REQUEST_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_INET_DIAG_REQ_BYTECODE = 1
_INET_DIAG_INFO = 2
_JMP, _SOURCE_EQ, _DESTINATION_EQ = 1, 11, 12
_UNIX_SHOW_NAME, _UNIX_SHOW_PEER, _UNIX_SHOW_RQLEN = 1, 4, 16
_UNIX_DIAG_NAME, _UNIX_DIAG_PEER, _UNIX_DIAG_RQLEN = 0, 2, 4

_HEADER = struct.Struct("=IHHII")
_ROW = struct.Struct("=BBBx4s16s16s4x8sIIIII")
_ROW_FORMAT_PORTS = struct.Struct("!HH")
_ATTRIBUTE = struct.Struct("=HH")
_INFO_A = struct.Struct("=44xIIII8xI28xI")  # last data sent/received ... rtt, total_retrans
_INFO_B = struct.Struct("=III")  # min_rtt, data_segs_in, data_segs_out
_NEVER_MEASURED = 0xFFFFFFFF
_INFO_SENT = struct.Struct("=Q")  # bytes_sent
_MAPPED = b"\0" * 10 + b"\xff\xff"
_RECEIVE_BYTES = 1 << 18

Endpoint = tuple[bytes, int]
"""(address in network order: 4 or 16 bytes, port); an IPv4-mapped address is its IPv4 form."""


class TcpInfo(NamedTuple):
    """What the kernel counts for one connection."""

    since_sent_s: float
    """Since data was last sent."""
    since_received_s: float
    rtt_s: float
    """Least round trip of the last minutes; the smoothed one holds delayed acknowledgements too."""
    retransmits: int
    data_segs_in: int
    data_segs_out: int
    bytes_received: int
    bytes_sent: int


class Connection(NamedTuple):
    """One row of the TCP or UDP table; `rqueue` and `wqueue` of a listener are its accept queue and limit."""

    state: int
    local: Endpoint
    remote: Endpoint
    rqueue: int
    wqueue: int
    uid: int
    inode: int
    """0: still in the accept queue, or closed by its process."""
    expires_s: float
    """Time until the running timer fires: for TIME_WAIT, until the row goes."""
    info: TcpInfo | None = None

    @property
    def unread_bytes(self) -> int:
        """Bytes that the process has not read; a received FIN takes one sequence number and is no byte."""
        return self.rqueue - 1 if self.state == CLOSE_WAIT and self.rqueue else self.rqueue


class UnixSocket(NamedTuple):
    path: str
    state: int
    inode: int
    peer_inode: int
    rqueue: int
    wqueue: int


def address_text(endpoint: Endpoint) -> str:
    """`host:port`, IPv6 in brackets."""
    address, port = endpoint
    if len(address) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, address)}:{port}"
    return f"[{socket.inet_ntop(socket.AF_INET6, address)}]:{port}"


class SockDiag:
    """An open SOCK_DIAG socket, for one thread at a time. Raises `Unavailable` where the kernel has none."""

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
        except OSError as error:
            raise Unavailable(f"netlink SOCK_DIAG: {error.strerror}", "load the kernel module inet_diag") from error
        self._socket.settimeout(2.0)
        self._buffer = bytearray(_RECEIVE_BYTES)
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tcp(
        self,
        states: int,
        *,
        source_ports: Iterable[int] = (),
        destination_ports: Iterable[int] = (),
        info: bool = False,
        families: Iterable[int] = (socket.AF_INET, socket.AF_INET6),
    ) -> list[Connection]:
        """TCP rows in `states` (bit mask) with one of the ports on that side; no port listed: all rows."""
        return self._inet(socket.IPPROTO_TCP, states, source_ports, destination_ports, info, families)

    def udp(
        self, *, destination_ports: Iterable[int], families: Iterable[int] = (socket.AF_INET, socket.AF_INET6)
    ) -> list[Connection]:
        """Connected UDP sockets towards one of the ports."""
        return self._inet(socket.IPPROTO_UDP, 1 << ESTABLISHED, (), destination_ports, False, families)

    def unix(self, states: int) -> list[UnixSocket]:
        """Unix stream sockets with their queue lengths."""
        show = _UNIX_SHOW_NAME | _UNIX_SHOW_PEER | _UNIX_SHOW_RQLEN
        request = struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, states, 0, show, 0xFFFFFFFF, 0xFFFFFFFF)
        return [_unix_row(message) for message in self._dump(request)]

    def _inet(
        self,
        protocol: int,
        states: int,
        source_ports: Iterable[int],
        destination_ports: Iterable[int],
        info: bool,
        families: Iterable[int],
    ) -> list[Connection]:
        extensions = 1 << (_INET_DIAG_INFO - 1) if info else 0
        code = _port_filter(
            [(_SOURCE_EQ, port) for port in source_ports] + [(_DESTINATION_EQ, port) for port in destination_ports]
        )
        attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(code), _INET_DIAG_REQ_BYTECODE) + code if code else b""
        families = set(families)
        if protocol == socket.IPPROTO_TCP and len(families) > 1:
            request = struct.pack("=3xB48xI4x", extensions, states) + attribute
            return [_inet_row(message, info) for message in self._dump(request, _TCP_OF_ALL_FAMILIES)]
        rows: list[Connection] = []
        for family in families:
            request = struct.pack("=BBBxI48x", family, protocol, extensions, states) + attribute
            rows += [_inet_row(message, info) for message in self._dump(request)]
        return rows

    def _dump(self, request: bytes, kind: int = _SOCK_DIAG_BY_FAMILY) -> Iterator[memoryview]:
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(request), kind, _REQUEST_DUMP, self._sequence, 0)
        self._socket.send(header + request)
        while True:
            size = self._socket.recv_into(self._buffer)
            view = memoryview(self._buffer)[:size]
            at = 0
            while at + _HEADER.size <= size:
                length, kind, _, sequence, _ = _HEADER.unpack_from(view, at)
                if sequence == self._sequence:
                    if kind == _NLMSG_DONE:
                        return
                    if kind == _NLMSG_ERROR:
                        raise _refused(-struct.unpack_from("=i", view, at + _HEADER.size)[0])
                    yield view[at + _HEADER.size : at + length]
                at += (length + 3) & ~3


def _refused(code: int) -> Unavailable:
    return Unavailable(
        f"netlink SOCK_DIAG: {errno.errorcode.get(code, str(code))}",
        "load the kernel modules tcp_diag and udp_diag",
    )


def _port_filter(comparisons: list[tuple[int, int]]) -> bytes:
    """Byte code of the kernel's socket filter: accept when any comparison holds."""
    code = b""
    for operation, port in reversed(comparisons):
        # On a match jump over all that follows to the exact end (accept); past the end means reject.
        jump = struct.pack("=BBH", _JMP, 4, 4 + len(code)) if code else b""
        code = struct.pack("=BBHBBH", operation, 8, 12, 0, 0, port) + jump + code
    return code


def _endpoint(address: bytes, port: int, family: int) -> Endpoint:
    if family == socket.AF_INET:
        return address[:4], port
    if address.startswith(_MAPPED):
        return address[12:], port
    return address, port


def _inet_row(message: memoryview, info: bool) -> Connection:
    family, state, _, ports, source, destination, _, expires_ms, rqueue, wqueue, uid, inode = _ROW.unpack_from(message)
    source_port, destination_port = _ROW_FORMAT_PORTS.unpack(ports)
    return Connection(
        state,
        _endpoint(source, source_port, family),
        _endpoint(destination, destination_port, family),
        rqueue,
        wqueue,
        uid,
        inode,
        expires_ms / 1e3,
        _tcp_info(message) if info else None,
    )


def _attributes(message: memoryview, at: int) -> Iterator[tuple[int, memoryview]]:
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind, message[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def _tcp_info(message: memoryview) -> TcpInfo | None:
    for kind, value in _attributes(message, _ROW.size):
        if kind == _INET_DIAG_INFO and len(value) >= 160:
            sent_ms, _, received_ms, _, smoothed_us, retransmits = _INFO_A.unpack_from(value)
            least_us, segs_in, segs_out = _INFO_B.unpack_from(value, 148)
            rtt_us = smoothed_us if least_us in {0, _NEVER_MEASURED} else least_us
            (received,) = _INFO_SENT.unpack_from(value, 128)
            # Kernels before 4.19 end earlier; then bytes_acked stands in.
            (sent,) = _INFO_SENT.unpack_from(value, 200 if len(value) >= 208 else 120)
            return TcpInfo(
                sent_ms / 1e3, received_ms / 1e3, rtt_us / 1e6, retransmits, segs_in, segs_out, received, sent
            )
    return None


def _unix_row(message: memoryview) -> UnixSocket:
    _, _, state, inode = struct.unpack_from("=BBBxI", message)
    path, peer, rqueue, wqueue = "", 0, 0, 0
    for kind, value in _attributes(message, 16):
        if kind == _UNIX_DIAG_NAME:
            path = bytes(value).rstrip(b"\0").decode(errors="replace")
        elif kind == _UNIX_DIAG_PEER:
            (peer,) = struct.unpack_from("=I", value)
        elif kind == _UNIX_DIAG_RQLEN:
            rqueue, wqueue = struct.unpack_from("=II", value)
    return UnixSocket(path, state, inode, peer, rqueue, wqueue)


def proc_tcp(states: int, root: Path = Path("/proc/net")) -> list[Connection]:
    """The same rows from /proc/net/tcp and tcp6: slower, and without `TcpInfo`."""
    rows = []
    for name in ("tcp", "tcp6"):
        table = root / name
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            row = _proc_row(line.split())
            if states >> row.state & 1:
                rows.append(row)
    return rows


def _proc_row(fields: list[str]) -> Connection:
    wqueue, rqueue = (int(text, 16) for text in fields[4].split(":"))
    timer = fields[5].split(":")
    return Connection(
        int(fields[3], 16),
        _proc_endpoint(fields[1]),
        _proc_endpoint(fields[2]),
        rqueue,
        wqueue,
        int(fields[7]),
        int(fields[9]),
        int(timer[1], 16) / 100.0,
    )


def _proc_endpoint(text: str) -> Endpoint:
    host, port = text.split(":")
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    address = struct.pack(f"={len(words)}I", *words)
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    return _endpoint(address, int(port, 16), family)
