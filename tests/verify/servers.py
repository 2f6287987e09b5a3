"""Small real servers on loopback, each with one way of ending its answers, or of failing to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator


class Server:
    """Accepts connections, each in a thread, and hands them to `serve`; counts what it was asked."""

    def __init__(self, serve: Callable[[Server, socket.socket], None], family: int = socket.AF_INET) -> None:
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._listener = socket.create_server((host, 0), family=family, backlog=512)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"
        self._serve = serve
        self.heads: list[bytes] = []
        self.connections = 0
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._serve(self, connection)

    def head(self, connection: socket.socket) -> bytes:
        """The next request's head (these requests have no body); empty when the caller has gone."""
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            got = connection.recv(65536)
            if not got:
                return b""
            data += got
        with self.lock:
            self.heads.append(data)
        return data

    def close(self) -> None:
        # A thread blocked in accept() wakes only when the socket is shut down.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def serving(serve: Callable[[Server, socket.socket], None], family: int = socket.AF_INET) -> Iterator[Server]:
    server = Server(serve, family)
    try:
        yield server
    finally:
        server.close()


def keep_alive(server: Server, connection: socket.socket) -> None:
    while server.head(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


def chunked(server: Server, connection: socket.socket) -> None:
    while server.head(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        connection.sendall(b"6;x=y\r\n world\r\n0\r\nTrailer: 1\r\n\r\n")


def close_delimited(server: Server, connection: socket.socket) -> None:
    server.head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")


def closing_after_one(server: Server, connection: socket.socket) -> None:
    """Says nothing of it, and closes a moment later, as Gunicorn does when its keep-alive time is over."""
    server.head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    time.sleep(0.02)


def closing_on_the_second(server: Server, connection: socket.socket) -> None:
    """The race: the second request on a connection meets its end."""
    if server.head(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        server.head(connection)


def failing(server: Server, connection: socket.socket) -> None:
    while server.head(connection):
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")


def silent(server: Server, connection: socket.socket) -> None:
    while server.head(connection):
        pass


def cutting(server: Server, connection: socket.socket) -> None:
    server.head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello")


def babbling(server: Server, connection: socket.socket) -> None:
    server.head(connection)
    connection.sendall(b"220 mail.example ESMTP\r\n\r\n")
