"""Answers end where they say, however the bytes are cut."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unslow.verify.http1 import LARGEST_HEAD, Answer, ProtocolError

BODIES = st.binary(max_size=300)


def fed(data: bytes, sizes: list[int], method: str = "GET") -> Answer:
    """The answer after all of `data`, in pieces of the given sizes and then the rest."""
    answer, at = Answer(method), 0
    for size in [*sizes, len(data)]:
        if at < len(data):
            answer.feed(data[at : at + size])
        at += size
    return answer


def chunks_of(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


PIECES = st.lists(st.integers(1, 40), max_size=60)


@given(BODIES, PIECES, st.sampled_from([200, 404, 503]), st.booleans())
def test_sized(body: bytes, sizes: list[int], status: int, early: bool) -> None:
    head = b"HTTP/1.1 %d Reason\r\nX: y\r\nContent-Length:  %d \r\n\r\n" % (status, len(body))
    before = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" if early else b""
    answer = fed(before + head + body, sizes)
    assert (answer.complete, answer.status, answer.body_bytes, answer.keep_alive) == (True, status, len(body), True)


@given(BODIES.filter(bool), PIECES, st.integers(1, 50))
def test_chunked(body: bytes, sizes: list[int], chunk: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: chunked\r\n\r\n"
    answer = fed(head + chunks_of(body, chunk), sizes)
    assert (answer.complete, answer.body_bytes, answer.keep_alive) == (True, len(body), True)


@given(BODIES, PIECES)
def test_close_delimited(body: bytes, sizes: list[int]) -> None:
    answer = fed(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + body, sizes)
    assert not answer.complete
    assert answer.end()
    assert (answer.status, answer.body_bytes, answer.keep_alive) == (200, len(body), False)


@given(BODIES.filter(lambda body: len(body) > 1), PIECES, st.booleans())
def test_a_cut_answer_is_not_complete(body: bytes, sizes: list[int], chunked: bool) -> None:
    if chunked:
        whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks_of(body, 7)
    else:
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    answer = fed(whole[:-1], sizes)
    assert not answer.complete
    assert not answer.end()


@given(st.binary(max_size=400), PIECES)
def test_any_bytes_are_an_answer_or_a_protocol_error(data: bytes, sizes: list[int]) -> None:
    for start in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        status = None
        with contextlib.suppress(ProtocolError):
            status = fed(start + data, sizes).status
        assert status is None or status == 0 or 200 <= status <= 599


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", False),
    ],
)
def test_whether_the_connection_can_go_on(head: bytes, keep_alive: bool) -> None:
    answer = fed(head, [])
    assert (answer.complete, answer.keep_alive) == (True, keep_alive)


def test_an_answer_to_head_has_no_body() -> None:
    answer = fed(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", [], "HEAD")
    assert (answer.complete, answer.keep_alive) == (True, True)


@pytest.mark.parametrize(
    "data",
    [
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 999 x\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * LARGEST_HEAD,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"y" * 5000,
    ],
)
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        fed(data, [])


def test_two_thousand_interim_answers_are_just_passed_over() -> None:
    answer = fed(b"HTTP/1.1 100 Continue\r\n\r\n" * 2000 + b"HTTP/1.1 204 None\r\n\r\n", [])
    assert answer.status == 204
