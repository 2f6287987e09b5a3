"""Commands inside a container. Killing us does not kill them, so each must end by itself: see `limited`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from unslow.kube.client import Client, Status
from unslow.kube.errors import ApiError
from unslow.kube.web_socket import WebSocket, connected

_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STDOUT, _STDERR, _STATUS, _CLOSE = 0, 1, 2, 3, 255
_PIECE = 32 * 1024
MOST_BYTES = 64 * 1024 * 1024
"""More output than this is cut: a command gone wild must not fill our memory."""


class Result(msgspec.Struct, frozen=True):
    stdout: bytes
    stderr: bytes
    code: int | None
    """Exit code; None when it had not ended in time or the connection broke."""
    timed_out: bool = False
    cut: bool = False
    """More came than was kept."""

    @property
    def ok(self) -> bool:
        return self.code == 0


def limited(command: Sequence[str], seconds: int) -> tuple[str, ...]:
    """The same command, ended by the container's own `timeout` whatever becomes of us."""
    return ("timeout", "-s", "KILL", str(seconds), *command)


def execute(
    client: Client,
    namespace: str,
    pod: str,
    command: Sequence[str],
    *,
    container: str = "",
    stdin: bytes | None = None,
    hold: bool = False,
    seconds: float = 10.0,
    most: int = MOST_BYTES,
    on_stdout: Callable[[bytes], None] | None = None,
    on_stderr: Callable[[bytes], None] | None = None,
) -> Result:
    """Runs `command` (no shell) and waits for its end, at most `seconds`.

    With `hold` the command's input stays open after `stdin`, so that it can notice that we are gone. With
    `on_stdout` the output is handed over as it comes and not kept; `on_stderr` also sees what is kept. Raises `ApiError` (404: no such pod;
    500: no such binary or container), `Unreachable`.
    """
    parameters: dict[str, Any] = {"command": list(command), "stdout": "true", "stderr": "true"}
    if container:
        parameters["container"] = container
    if stdin is not None:
        parameters["stdin"] = "true"
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"
    asked = f"exec {command[0]} in {namespace}/{pod}"
    with connected(client, path, _PROTOCOLS, parameters, asked=asked) as socket:
        if stdin is not None:
            _feed(socket, stdin, hold=hold)
        return _Output(most, on_stdout, on_stderr, asked).until_end(socket, seconds)


def _feed(socket: WebSocket, stdin: bytes, *, hold: bool) -> None:
    for start in range(0, len(stdin), _PIECE):
        socket.send(bytes([_STDIN]) + stdin[start : start + _PIECE])
    if not hold and socket.subprotocol == _PROTOCOLS[0]:
        socket.send(bytes([_CLOSE, _STDIN]))


class _Output:
    def __init__(
        self,
        most: int,
        on_stdout: Callable[[bytes], None] | None,
        on_stderr: Callable[[bytes], None] | None,
        asked: str,
    ) -> None:
        self._kept: dict[int, bytearray] = {_STDOUT: bytearray(), _STDERR: bytearray()}
        self._most = most
        self._on_stdout = on_stdout
        self._on_stderr = on_stderr
        self._asked = asked
        self._cut = False

    def until_end(self, socket: WebSocket, seconds: float) -> Result:
        ends = time.monotonic() + seconds
        while True:
            try:
                message = socket.receive(max(0.0, ends - time.monotonic()))
            except TimeoutError:
                return self._result(None, timed_out=True)
            if message is None:
                return self._result(None)
            if not message:
                continue
            if message[0] == _STATUS:
                return self._result(_exit_code(message[1:], self._asked))
            self._keep(message[0], message[1:])

    def _keep(self, channel: int, data: bytes) -> None:
        if channel == _STDOUT and self._on_stdout is not None:
            self._on_stdout(data)
            return
        if channel == _STDERR and self._on_stderr is not None:
            self._on_stderr(data)
        kept = self._kept.get(channel)
        if kept is None:
            return
        room = self._most - len(kept)
        self._cut = self._cut or len(data) > room
        kept += data[: max(0, room)]

    def _result(self, code: int | None, *, timed_out: bool = False) -> Result:
        stdout, stderr = bytes(self._kept[_STDOUT]), bytes(self._kept[_STDERR])
        return Result(stdout, stderr, code, timed_out, self._cut)


class _Cause(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct, frozen=True):
    causes: tuple[_Cause, ...] | None = None


class _End(msgspec.Struct, frozen=True):
    status: str = ""
    reason: str = ""
    message: str = ""
    code: int = 500
    details: _Details | None = None


def _exit_code(body: bytes, asked: str) -> int:
    """0, the command's own code, or `ApiError` when it could not be started."""
    try:
        end = msgspec.json.decode(body, type=_End)
    except msgspec.DecodeError:
        end = _End(message=body.decode(errors="replace"))
    if end.status == "Success":
        return 0
    if end.reason == "NonZeroExitCode":
        causes = end.details.causes if end.details and end.details.causes else ()
        return next((int(cause.message) for cause in causes if cause.reason == "ExitCode"), 1)
    status = Status(code=end.code, reason=end.reason, message=end.message)
    raise ApiError(
        status.code, status.reason, status.message, asked=asked, remedy="the image may lack it: use a debug container"
    )
