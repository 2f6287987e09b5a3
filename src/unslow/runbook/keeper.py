"""Undoes what was changed, whatever becomes of us: on return, on Ctrl-C, and, by a process of its own, on SIGKILL.

The process waits at the end of a pipe. It is told each change before the change is made; when the pipe closes, it
undoes what was not undone yet. It is given the way to the API server on that pipe, never on a command line.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import msgspec

from unslow.errors import Unavailable
from unslow.kube.client import Client
from unslow.kube.config import Access
from unslow.kube.errors import ApiError

WAIT_S = 15.0
RETRIES_S = (5.0, 15.0, 30.0, 60.0)
"""After the second try, as long as one fails."""
LATE_S = 1.5
"""A change that was on its way when its maker died may arrive after the first undo."""


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """Deletes an object, or takes annotations away again."""

    id: str
    path: str
    uid: str = ""
    """The object is only touched while it still is this one."""
    annotations: dict[str, str] | None = None
    """Annotation and the value that we gave it: one that somebody changed since is theirs. None: delete the object."""

    def carry_out(self, client: Client) -> None:
        """Raises `ApiError`, `Unreachable`; an object that is gone is as it should be."""
        try:
            if self.annotations is None:
                client.delete(self.path, uid=self.uid, grace_s=0)
            else:
                self._take_away(client)
        except ApiError as error:
            if error.code not in {404, 409}:
                raise

    def _take_away(self, client: Client) -> None:
        found = client.get(self.path, _Annotated).metadata
        ours = [
            name for name, value in (self.annotations or {}).items() if (found.annotations or {}).get(name) == value
        ]
        if not ours or (self.uid and found.uid != self.uid):
            return
        gone = {"annotations": dict.fromkeys(ours), "resourceVersion": found.resource_version}
        client.patch(self.path, {"metadata": gone}, _Annotated, asked="take the annotation away")


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    uid: str = ""
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Annotated(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One line to the process: who to be (first line), what to undo, or what is undone."""

    access: Access | None = None
    undo: Undo | None = None
    done: str = ""


class Keeper:
    """`with Keeper(client) as keeper: keeper.promise(undo); ...change...`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._open: dict[str, Undo] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Keeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for undo in list(self._open.values()):
                with contextlib.suppress(Unavailable):  # the process tries again
                    self.undo(undo)
        finally:
            self.close()

    def promise(self, undo: Undo) -> Undo:
        """Before the change is made. Raises `Unavailable` when nobody could keep the promise."""
        try:
            self._tell(Told(undo=undo))
        except OSError as error:
            raise Unavailable(
                f"a process that would undo the change if this one were killed ({error})", "try again"
            ) from error
        self._open[undo.id] = undo
        return undo

    def undo(self, undo: Undo) -> None:
        undo.carry_out(self._client)
        self._open.pop(undo.id, None)
        with contextlib.suppress(OSError):  # it has gone: nothing is left for it to do
            self._tell(Told(done=undo.id))

    def close(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(WAIT_S)

    def _tell(self, told: Told) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "unslow.runbook.keeper"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us alone
            )
            self._write(Told(access=self._client.access))
        self._write(told)

    def _write(self, told: Told) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(msgspec.json.encode(told, enc_hook=str) + b"\n")
            self._process.stdin.flush()


def main() -> None:
    """Reads until the pipe closes, then undoes the rest, last first."""
    access: Access | None = None
    left: dict[str, Undo] = {}
    for line in sys.stdin.buffer:
        told = msgspec.json.decode(line, type=Told, dec_hook=_path)
        access = told.access or access
        if told.undo is not None:
            left[told.undo.id] = told.undo
        left.pop(told.done, None)
    if access is None or not left:
        return
    with Client(access) as client:
        for pause_s in (0.0, LATE_S, *RETRIES_S):
            time.sleep(pause_s)
            failed = [undo for undo in reversed(left.values()) if not _carried_out(undo, client)]
            if pause_s and not failed:
                return


def _carried_out(undo: Undo, client: Client) -> bool:
    """False while the API server cannot be reached or refuses; in the end the object's own deadline is what remains."""
    try:
        undo.carry_out(client)
    except Unavailable:
        return False
    return True


def _path(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)


if __name__ == "__main__":
    main()
