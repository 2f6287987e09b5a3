from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.collect.live import Callers, gunicorn, nginx
from unslow.collect.discovery import find
from unslow.collect.sockets import SocketReader
from unslow.errors import Unavailable
from unslow.evidence.sockets import Sockets
from unslow.evidence.window import Window

SECONDS = 4.0


def read(reader: SocketReader, seconds: float = SECONDS) -> Window:
    start_s = time.time()
    while time.time() < start_s + seconds:
        reader.sample()
        time.sleep(0.04)
    return Window(start_s=start_s, end_s=time.time())


def rates(port: int, rate_per_s: float, *, keep_alive: bool) -> tuple[float, Sockets]:
    """(requests a second that were sent, what the kernel tells)."""
    reader = SocketReader(find(f"http://127.0.0.1:{port}/sleep/5"))
    with Callers(port, "/sleep/5", rate_per_s, threads=4, keep_alive=keep_alive) as callers:
        time.sleep(0.5)
        window = read(reader)
        told = reader.result(window)
    reader.close()
    return callers.rate_per_s(window.start_s, window.end_s), told


@pytest.mark.lab
@pytest.mark.parametrize(
    ("options", "keep_alive"),
    [(("-w", "2"), False), (("-w", "2", "--threads", "4"), True), (("-w", "2", "--threads", "4"), False)],
)
def test_the_kernels_rate_is_what_was_sent(tmp_path: Path, options: tuple[str, ...], keep_alive: bool) -> None:
    with gunicorn(tmp_path, *options) as port:
        sent, told = rates(port, 80, keep_alive=keep_alive)
    assert told.requests_per_s == pytest.approx(sent, rel=0.05)
    assert told.accept_queue_limit == 2048


@pytest.mark.lab
def test_the_rate_behind_nginx_is_counted_once(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-w", "2") as port, nginx(tmp_path, f"127.0.0.1:{port}") as front:
        sent, told = rates(front, 60, keep_alive=False)
    assert told.requests_per_s == pytest.approx(sent, rel=0.05)


@pytest.mark.lab
def test_behind_a_unix_socket_the_relays_port_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with gunicorn(tmp_path, "-w", "2", bind=f"unix:{path}"), nginx(tmp_path, f"unix:{path}") as front:
        sent, told = rates(front, 40, keep_alive=False)
    assert told.requests_per_s == pytest.approx(sent, rel=0.05)
    assert told.accept_queue_limit == 2048


@pytest.mark.lab
def test_sync_workers_leave_callers_in_the_accept_queue(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-w", "1") as port:
        reader = SocketReader(find(f"http://127.0.0.1:{port}/"))
        with Callers(port, "/sleep/100", 100, threads=6):
            time.sleep(0.5)
            told = reader.result(read(reader))
    # Six callers, one of them served: five wait, four to five of them not accepted.
    assert told.accept_queue_mean + told.unread_mean == pytest.approx(5.0, abs=0.6)
    assert told.unread_mean < 0.5


@pytest.mark.lab
def test_gthread_leaves_callers_in_unread_sockets(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-w", "1", "--threads", "1", "-k", "gthread") as port:
        reader = SocketReader(find(f"http://127.0.0.1:{port}/"))
        with Callers(port, "/sleep/100", 100, threads=6):
            time.sleep(0.5)
            told = reader.result(read(reader))
    assert told.unread_mean == pytest.approx(5.0, abs=0.6)
    assert told.accept_queue_mean < 0.5


def test_a_connection_in_the_queue_is_not_counted_as_unread_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        reader = SocketReader(find(f"http://127.0.0.1:{port}/"))
        with socket.create_connection(("127.0.0.1", port)) as caller:
            caller.sendall(b"GET / HTTP/1.0\r\n\r\n")
            window = read(reader, 0.1)
            queued = reader.result(window)
            accepted, _ = listener.accept()
            with accepted:
                later = reader.result(read(reader, 0.1))
        reader.close()
    assert (queued.accept_queue_mean, queued.unread_mean) == (1.0, 0.0)
    assert (later.accept_queue_mean, later.unread_mean, later.established_mean) == (0.0, 1.0, 1.0)


def test_no_reading_in_the_window_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reader = SocketReader(find(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
        reader.sample()
        with pytest.raises(Unavailable):
            reader.result(Window(start_s=1.0, end_s=2.0))
        reader.close()
