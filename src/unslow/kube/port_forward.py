"""A port of a pod as a port of this machine: one WebSocket for each connection, bound to loopback only."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator

from unslow.errors import Unavailable
from unslow.kube.client import Client
from unslow.kube.web_socket import WebSocket, connected

_PROTOCOL = "v4.channel.k8s.io"
_DATA, _ERROR = 0, 1
_PIECE = 64 * 1024
_ACCEPT_S = 0.2
_QUIET_S = 1.0


class Forward:
    """Made by `forwarded`; `errors` holds what the kubelet and the API server said, the newest last."""

    def __init__(self, client: Client, namespace: str, pod: str, port: int) -> None:
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
        self._asked = f"forward port {port} of {namespace}/{pod}"
        self._remote = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._listener.settimeout(_ACCEPT_S)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]
        self.errors: list[str] = []
        self.lost: set[int] = set()
        """Callers' ports of the connections that broke on the way through the API server, not at the pod."""

    def start(self) -> None:
        self._run(self._accept)

    def stop(self) -> None:
        self._stop.set()
        self._listener.close()
        for thread in self._threads:
            thread.join(2 * _QUIET_S)

    def _run(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                local, (_, caller) = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return  # the listener was closed
            self._run(self._serve, local, caller)

    def _serve(self, local: socket.socket, caller: int) -> None:
        local.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with (
                local,
                connected(self._client, self._path, (_PROTOCOL,), {"ports": self._remote}, asked=self._asked) as remote,
            ):
                self._run(self._upwards, local, remote)
                self._downwards(local, remote)
        except Unavailable as error:
            self.lost.add(caller)
            self.errors.append(error.missing)
        except OSError as error:
            self.errors.append(str(error))

    def _upwards(self, local: socket.socket, remote: WebSocket) -> None:
        """Closing our half ends the whole connection: this version of the protocol knows no half-close."""
        with contextlib.suppress(OSError, ValueError, Unavailable):
            while not self._stop.is_set() and not remote.ended:
                if not select.select([local], [], [], _ACCEPT_S)[0]:
                    continue
                data = local.recv(_PIECE)
                if not data:
                    break
                remote.send(bytes([_DATA]) + data)
        remote.close()

    def _downwards(self, local: socket.socket, remote: WebSocket) -> None:
        greeted: set[int] = set()
        while not self._stop.is_set():
            try:
                message = remote.receive(_QUIET_S)
            except TimeoutError:
                continue
            if message is None:
                return
            channel, data = message[0], message[1:]
            if channel not in greeted:  # the first message of each channel repeats the port number
                greeted.add(channel)
                data = data[2:]
            if channel == _ERROR and data:
                self.errors.append(data.decode(errors="replace").strip())
                return
            if channel == _DATA and data:
                local.sendall(data)


@contextlib.contextmanager
def forwarded(client: Client, namespace: str, pod: str, port: int) -> Iterator[Forward]:
    """While open, `127.0.0.1:{port}` of the given object leads to the pod's port."""
    forward = Forward(client, namespace, pod, port)
    forward.start()
    try:
        yield forward
    finally:
        forward.stop()
