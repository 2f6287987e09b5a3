"""A way to the API server that takes a given time longer: bytes come out half the delay after they went in, each way."""

from __future__ import annotations

import queue
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import yaml


class Delayed:
    """Listens on loopback until `close`."""

    def __init__(self, server: str, delay_s: float) -> None:
        parts = urlsplit(server)
        self._to = (parts.hostname, parts.port)
        self._half_s = delay_s / 2
        self._connecting = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._joined, args=(near,), daemon=True).start()

    def _joined(self, near: socket.socket) -> None:
        time.sleep(2 * self._half_s)  # the handshake of TCP
        with self._connecting:  # the cluster's own forward has a short queue
            far = socket.create_connection(self._to)
        for one in (near, far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pumped(near, far)
        self._pumped(far, near)

    def _pumped(self, source: socket.socket, sink: socket.socket) -> None:
        waiting: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

        def read() -> None:
            while True:
                try:
                    data = source.recv(1 << 18)
                except OSError:
                    data = b""
                waiting.put((time.monotonic() + self._half_s, data))
                if not data:
                    return

        def write() -> None:
            while True:
                due, data = waiting.get()
                time.sleep(max(0.0, due - time.monotonic()))
                try:
                    if not data:
                        sink.shutdown(socket.SHUT_WR)
                        return
                    sink.sendall(data)
                except OSError:
                    return

        for target in (read, write):
            threading.Thread(target=target, daemon=True).start()

    def close(self) -> None:
        self._listener.close()


def kubeconfig(original: Path, port: int, folder: Path) -> Path:
    """The same, with the other way."""
    config = yaml.safe_load(original.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return path
