"""Our own requests: open loop, timed part by part, against real servers on loopback."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from unslow.collect import requests
from unslow.collect.requests import Prober, Timed, affordable_rate_per_s
from unslow.errors import BadUsage, Unavailable
from unslow.evidence.requests import GIVEN_UP, Requests
from unslow.evidence.window import Window

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Counted:
    """Answers each connection with `answer`, after `delay_s`; keeps what it was asked."""

    def __init__(self, answer: bytes, delay_s: float, hold_s: float, context: ssl.SSLContext | None) -> None:
        self.answer, self.delay_s, self.hold_s = answer, delay_s, hold_s
        self._context = context
        self.heads: list[bytes] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            stream = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            head = stream.recv(65536)
            with self.lock:
                self.heads.append(head)
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
            time.sleep(self.delay_s)
            with self.lock:
                self.at_once -= 1
            stream.sendall(self.answer)
            if self.hold_s:
                time.sleep(self.hold_s)
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def counted(
    answer: bytes = OK, *, delay_s: float = 0.0, hold_s: float = 0.0, context: ssl.SSLContext | None = None
) -> Iterator[Counted]:
    server = Counted(answer, delay_s, hold_s, context)
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):
            server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()


def probed(prober: Prober, seconds: float) -> Requests:
    prober.start()
    try:
        start_s = time.time()
        time.sleep(seconds)
        return prober.window(Window(start_s=start_s, end_s=start_s + seconds))
    finally:
        prober.stop()


def mean(values: tuple[float, ...]) -> float:
    return sum(values) / len(values)


def test_parts_are_told_apart() -> None:
    with counted(delay_s=0.05) as server:
        found = probed(Prober(f"http://localhost:{server.port}/", rate_per_s=20), 1.5)
    assert len(found.due_s) >= 10
    assert set(found.status) == {200}
    assert mean(found.first_byte_s) >= 0.05
    assert mean(found.first_byte_s) > 10 * mean(found.connect_s)
    assert mean(found.dns_s) > 0
    assert set(found.tls_s) == {0.0}
    assert all(0 <= due < 1.5 for due in found.due_s)
    assert list(found.due_s) == sorted(found.due_s)


def test_an_address_is_looked_up_nowhere() -> None:
    with counted() as server:
        found = probed(Prober(f"http://127.0.0.1:{server.port}/", rate_per_s=20), 0.5)
    assert set(found.dns_s) == {0.0}


def test_a_slow_body_is_body_time() -> None:
    def serve(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            time.sleep(0.1)
            connection.sendall(b"0\r\n\r\n")

    with accepting(serve) as port:
        found = probed(Prober(f"http://127.0.0.1:{port}/", rate_per_s=20), 0.6)
    assert set(found.status) == {200}
    assert mean(found.body_s) >= 0.1 > mean(found.first_byte_s)


@contextlib.contextmanager
def accepting(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_the_answer_ends_where_it_says_not_when_the_server_closes() -> None:
    with counted(hold_s=5.0) as server:
        found = probed(Prober(f"http://127.0.0.1:{server.port}/", rate_per_s=20), 0.5)
    assert set(found.status) == {200}
    assert max(found.total_s) < 2.0


@pytest.mark.parametrize(
    "answer",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"],
    ids=["nothing", "not HTTP", "cut"],
)
def test_an_answer_that_cannot_be_read_is_none(answer: bytes) -> None:
    with counted(answer) as server:
        found = probed(Prober(f"http://127.0.0.1:{server.port}/", rate_per_s=20), 0.4)
    assert set(found.status) == {0}


def test_nobody_listens() -> None:
    with counted() as server:
        port = server.port
    found = probed(Prober(f"http://127.0.0.1:{port}/", rate_per_s=20), 0.4)
    assert set(found.status) == {0}
    assert max(found.total_s) < 1.0


def test_the_time_out_counts_from_the_due_time() -> None:
    with counted(delay_s=30.0) as server:
        found = probed(Prober(f"http://127.0.0.1:{server.port}/", rate_per_s=20, timeout_s=0.3), 0.5)
    assert set(found.status) == {0}
    assert found.timeout_s == 0.3
    assert all(total >= 0.299 for total in found.total_s)


def test_a_slow_server_is_asked_side_by_side() -> None:
    with counted(delay_s=1.0) as server:
        found = probed(Prober(f"http://127.0.0.1:{server.port}/", rate_per_s=8), 1.5)
        assert server.most_at_once >= 3
    assert set(found.status) == {200}
    assert max(found.wait_s) < 0.5  # none waited for another


def test_requests_beyond_the_connections_wait_and_the_wait_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "CONCURRENT", 1)
    with counted(delay_s=0.2) as server:
        found = probed(Prober(f"http://127.0.0.1:{server.port}/", rate_per_s=20), 1.0)
        assert server.most_at_once == 1
    assert set(found.status) == {200}
    assert max(found.wait_s) > 1.0


def probing() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("prober")]


def test_stopping_does_not_wait_for_a_server_that_hangs() -> None:
    with counted(delay_s=60.0) as server:
        prober = Prober(f"http://127.0.0.1:{server.port}/", rate_per_s=20)
        prober.start()
        while not server.heads:
            time.sleep(0.01)
        prober.stop()
        deadline = time.monotonic() + 10
        while probing() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not probing()
    assert prober.requests() == []


def test_credentials_are_sent_and_redirects_are_only_noted() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: /login?token=abc\r\nContent-Length: 0\r\n\r\n"
    with counted(answer) as server:
        prober = Prober(f"http://user:pa%73s@127.0.0.1:{server.port}/a b?x=1", headers={"X-Mine": "1"}, rate_per_s=20)
        found = probed(prober, 0.4)
        heads = [head.decode() for head in server.heads]
    assert set(found.status) == {302}
    assert {one.redirect for one in prober.requests()} == {"/login"}
    assert all(head.startswith("GET /a%20b?x=1 HTTP/1.1\r\n") for head in heads)
    assert all("Authorization: Basic dXNlcjpwYXNz\r\n" in head and "X-Mine: 1" in head for head in heads)


def test_each_request_has_its_interval_and_its_local_port() -> None:
    with counted(delay_s=0.02) as server:
        prober = Prober(f"http://127.0.0.1:{server.port}/", rate_per_s=30)
        started = time.time()
        found = probed(prober, 0.5)
    assert len(prober.intervals()) >= len(found.due_s)
    assert all(started - 0.1 < start < end < time.time() + 0.1 for start, end in prober.intervals())
    assert all(end - start >= 0.02 for start, end in prober.intervals())
    ports = [timed.local_port for timed in prober.requests()]
    assert 0 not in ports
    assert len(set(ports)) > 1


def test_only_methods_that_change_nothing() -> None:
    with pytest.raises(BadUsage, match="POST"):
        Prober("http://127.0.0.1:1/", method="POST")
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
    with counted(answer) as server:
        found = probed(Prober(f"http://127.0.0.1:{server.port}/", method="HEAD", rate_per_s=20), 0.4)
    assert set(found.status) == {200}


@pytest.mark.parametrize(
    ("answered_s", "awaited_s", "expected"),
    [
        ([], [], requests.FIRST_PER_S),
        ([0.001] * 5, [], requests.MOST_PER_S),
        ([0.2] * 5, [], 2.5),
        ([2.0] * 3, [], requests.LEAST_PER_S),
        ([], [4.0], requests.LEAST_PER_S),
        ([0.2], [0.05], 2.5),  # one that has only just been sent says nothing yet
        ([0.0], [], requests.MOST_PER_S),
    ],
)
def test_the_rate_keeps_our_own_share_small(answered_s: list[float], awaited_s: list[float], expected: float) -> None:
    assert affordable_rate_per_s(answered_s, awaited_s) == pytest.approx(expected)


def test_parts_add_up_to_the_end() -> None:
    timed = Timed(100.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 200, 1)
    assert timed.start_s == pytest.approx(100.1)
    assert timed.end_s == pytest.approx(102.1)


def certificate(folder: Path) -> ssl.SSLContext:
    """A context with a certificate that nobody has signed."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=here",
         "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def test_tls_is_a_part_of_its_own(tmp_path: Path) -> None:
    with counted(context=certificate(tmp_path)) as server:
        found = probed(Prober(f"https://localhost:{server.port}/", rate_per_s=20), 0.6)
    assert set(found.status) == {200}
    assert min(found.tls_s) > 0


def test_the_interpreter_is_handed_over_sooner_only_while_it_runs() -> None:
    """A busy reader of ours would otherwise hold back each part by up to 5 ms, and the target would look slow."""
    before = sys.getswitchinterval()
    with counted() as server:
        prober = Prober(f"http://127.0.0.1:{server.port}/")
        prober.start()
        during = sys.getswitchinterval()
        prober.stop()
    assert during < before == sys.getswitchinterval()


def test_what_broke_on_our_own_way_tells_nothing_of_the_service() -> None:
    with counted(answer=b"") as server:
        prober = Prober(f"http://127.0.0.1:{server.port}/", rate_per_s=20)
        prober.start()
        try:
            window = Window(start_s=time.time(), end_s=time.time() + 0.5)
            time.sleep(0.5)
            cut = prober.window(window)
            ports = [one.local_port for one in prober.requests()]
            assert set(cut.status) == {0}
            kept = prober.window(window, lost=ports[1:])
            assert len(kept.due_s) == 1
            with pytest.raises(Unavailable, match="our own way"):
                prober.window(window, lost=ports)
        finally:
            prober.stop()


def test_a_request_that_nobody_waits_for_any_longer_stands_with_its_wait() -> None:
    with counted(delay_s=30.0) as server:
        prober = Prober(f"http://127.0.0.1:{server.port}/", rate_per_s=20)
        prober.start()
        try:
            window = Window(start_s=time.time(), end_s=time.time() + 0.5)
            time.sleep(0.5)
            found = prober.window(window, patience_s=0.3)
        finally:
            prober.stop()
    assert found.due_s
    assert set(found.status) == {GIVEN_UP}
    assert min(found.total_s) >= 0.3
    assert max(found.total_s) < 30.0
