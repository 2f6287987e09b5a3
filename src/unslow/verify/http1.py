"""HTTP/1.1 answers as they come off a connection: where each ends, and whether the connection can go on."""

from __future__ import annotations

import re

LARGEST_HEAD = 64 * 1024
LARGEST_CHUNK_LINE = 4096

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?\r?\n")
_FIELD = re.compile(
    rb"^(content-length|transfer-encoding|connection)[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_HEX = re.compile(rb"[0-9a-fA-F]{1,15}")
_DECIMAL = re.compile(rb"\d{1,18}")


class ProtocolError(ValueError):
    """The bytes are no HTTP/1.x answer; the message says where they stop being one."""


class Answer:
    """One answer; `feed` takes its bytes in pieces of any size.

    The body is counted and dropped.
    """

    __slots__ = ("_body", "_buffer", "_has_body", "_left", "body_bytes", "complete", "keep_alive", "status")

    def __init__(self, method: str = "GET") -> None:
        self._has_body = method != "HEAD"
        self._buffer = b""
        self._body = "head"
        """What the next bytes are: head, sized, chunk line, chunk, chunk end, trailer or until close."""
        self._left = 0
        self.status = 0
        self.keep_alive = True
        self.complete = False
        self.body_bytes = 0

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; True when the answer is complete. Raises `ProtocolError`."""
        data = self._buffer + data if self._buffer else data
        self._buffer = b""
        while self._body == "head" and not self.complete:  # again after each 1xx answer
            head = _HEAD_END.search(data)
            if head is None:
                return self._wait_for_more(data, LARGEST_HEAD, "head")
            data = self._read_head(data, head.start(), head.end())
        if self._body == "until close":
            self.body_bytes += len(data)
        elif self._body == "sized":
            self._read_sized(data)
        elif self._body != "head":
            self._read_chunks(data)
        return self.complete

    @property
    def is_untouched(self) -> bool:
        """Whether not one byte of it has come."""
        return self.status == 0 and not self._buffer

    def end(self) -> bool:
        """The peer has closed; True when that ends the answer, False when it cuts it off."""
        if self._body == "until close":
            self.complete = True
        self.keep_alive = False
        return self.complete

    def _wait_for_more(self, data: bytes, limit: int, what: str) -> bool:
        if len(data) > limit:
            raise ProtocolError(f"{what} of more than {limit} bytes")
        self._buffer = data
        return False

    def _read_head(self, data: bytes, end: int, body: int) -> bytes:
        first = _STATUS.match(data)
        if first is None:
            raise ProtocolError(f"status line {data[:40]!r}")
        self.status = int(first[2])
        if self.status < 200 and self.status != 101:
            return data[body:]
        fields: dict[bytes, list[bytes]] = {}
        for name, value in _FIELD.findall(data, first.end() - 1, end):
            fields.setdefault(name.lower(), []).append(value.lower())
        options = b",".join(fields.get(b"connection", ()))
        self.keep_alive = b"close" not in options and (first[1] == b"1" or b"keep-alive" in options)
        lengths = set(fields.get(b"content-length", ()))
        coding = b",".join(fields.get(b"transfer-encoding", ()))
        if self.status == 101:
            raise ProtocolError("an upgrade that nobody asked for")
        if not self._has_body or self.status in {204, 304}:
            self._finish(data[body:])
        elif coding:
            # Whoever sends a length as well may mean something else by it: read the chunks, then close.
            self.keep_alive = self.keep_alive and not lengths
            self._body = "chunk line" if coding.rpartition(b",")[2].strip() == b"chunked" else "until close"
        elif lengths:
            self._left = self._length(lengths)
            self._body = "sized"
        else:
            self._body = "until close"
        if self._body == "until close":
            self.keep_alive = False
        return data[body:]

    def _length(self, lengths: set[bytes]) -> int:
        length = next(iter(lengths))
        if len(lengths) > 1 or not _DECIMAL.fullmatch(length):
            raise ProtocolError(f"content length {b', '.join(sorted(lengths))!r}")
        return int(length)

    def _read_sized(self, data: bytes) -> None:
        taken = min(self._left, len(data))
        self._left -= taken
        self.body_bytes += taken
        if self._left == 0:
            self._finish(data[taken:])

    def _read_chunks(self, data: bytes) -> None:
        at = 0
        while not self.complete:
            if self._body == "chunk":
                taken = min(self._left, len(data) - at)
                at += taken
                self._left -= taken
                self.body_bytes += taken
                if self._left:
                    return
                self._body = "chunk end"
            line_end = data.find(b"\n", at)
            if line_end < 0:
                self._wait_for_more(data[at:], LARGEST_CHUNK_LINE, "chunk line")
                return
            self._read_line(data[at:line_end].rstrip(b"\r"))
            at = line_end + 1
        if at < len(data):
            self.keep_alive = False

    def _read_line(self, line: bytes) -> None:
        if self._body == "chunk end":
            if line:
                raise ProtocolError(f"chunk is longer than it says, at {line[:20]!r}")
            self._body = "chunk line"
        elif self._body == "trailer":
            if not line:
                self.complete = True
        else:
            size = line.partition(b";")[0].strip()
            if not _HEX.fullmatch(size):
                raise ProtocolError(f"chunk size {size[:20]!r}")
            self._left = int(size, 16)
            self._body = "chunk" if self._left else "trailer"

    def _finish(self, rest: bytes) -> None:
        self.complete = True
        if rest:
            self.keep_alive = False  # bytes that no request asked for
