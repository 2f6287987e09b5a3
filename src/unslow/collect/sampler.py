"""One py-spy recorder per process, whose readings announce themselves.

py-spy says in its output when stacks changed, not when it looked. Its sleeps are therefore gated
(`sampler_launch.py`): each begins right after a reading, and then the states of the threads can be
read at the same moment. Where the kernel has no such gate, `ticks` stays silent and the caller reads
the states by its own clock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from unslow.collect import sampler_launch
from unslow.errors import Unavailable

NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101
NOTIFICATION_BYTES = 80
CONTINUE = 1
START_S = 10.0
"""Longest time until the recorder has begun; reading a large interpreter's symbols takes a second or two."""
STOP_S = 10.0
MARGIN_S = 30
"""py-spy ends by itself this long after its time, should nobody stop it."""
TRACE_LIMIT_BYTES = 256 << 20
ERRORS = re.compile(rb"Errors: (\d+)")


def find_py_spy() -> Path:
    """The py-spy program beside this interpreter, else on PATH."""
    beside = Path(sys.executable).with_name("py-spy")
    if beside.exists():
        return beside
    found = shutil.which("py-spy")
    if found is None:
        raise Unavailable("py-spy", "install it into the same environment: pip install py-spy")
    return Path(found)


class Sampler:
    """A running recorder of one process; `stop` before `trace`."""

    def __init__(self, program: Path, pid: int, rate_hz: int, seconds: float) -> None:
        self.pid = pid
        self._directory = tempfile.TemporaryDirectory(prefix="unslow-profile-")
        folder = Path(self._directory.name)
        self._output = folder / "trace.json"
        self._log = folder / "log"
        arguments = [
            *(str(program), "record", "--pid", str(pid), "--idle", "--nonblocking", "--threads"),
            *("--full-filenames", "--format", "chrometrace", "--rate", str(rate_hz)),
            *("--duration", str(int(seconds) + MARGIN_S), "--output", str(self._output)),
        ]
        ours, theirs = socket.socketpair()
        launch = [sys.executable, "-I", "-S", sampler_launch.__file__, str(theirs.fileno())]
        with ours, theirs, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*launch, str(int(_gate_is_harmless(program))), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
            )
            theirs.close()
            self.began_s, self.priority, self.ticks = _greeting(ours)

    @property
    def gated(self) -> bool:
        """Whether readings announce themselves on the descriptor `ticks`."""
        return self.ticks is not None

    def wait_started(self) -> bool:
        """Wait until stacks are being read; False when the recorder gave up."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if b"Sampling process" in self._log.read_bytes():
                return True
            self.release(0.02)
        return False

    def release(self, timeout_s: float) -> None:
        """Let the recorder go on without looking: for when its readings are not wanted."""
        if self.ticks is None:
            time.sleep(timeout_s)
            return
        poller = select.poll()
        poller.register(self.ticks, select.POLLIN)
        if poller.poll(timeout_s * 1000):
            self.acknowledge(self.received())

    def received(self) -> int | None:
        """Id of the sleep that the recorder is about to begin; None when it has ended meanwhile."""
        if self.ticks is None:
            return None
        buffer = bytearray(NOTIFICATION_BYTES)
        try:
            fcntl.ioctl(self.ticks, NOTIF_RECV, buffer)
        except OSError:
            return None
        return int(struct.unpack_from("Q", buffer)[0])

    def acknowledge(self, sleep: int | None) -> None:
        """Let that sleep begin."""
        if sleep is None or self.ticks is None:
            return
        with contextlib.suppress(OSError):  # the recorder was stopped in between
            fcntl.ioctl(self.ticks, NOTIF_SEND, struct.pack("QqiI", sleep, 0, 0, CONTINUE))

    def interrupt(self) -> None:
        """Ask the recorder to write what it has and end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def wait_stopped(self) -> bool:
        """Wait for the end, kill what does not end; True when a trace was written."""
        deadline = time.monotonic() + STOP_S
        while self._process.poll() is None and time.monotonic() < deadline:
            self.release(0.01)
        self.kill()
        return self._process.returncode == 0 and self._output.exists()

    def trace(self) -> bytes:
        """The recorded Chrome trace."""
        if self._output.stat().st_size > TRACE_LIMIT_BYTES:
            raise Unavailable("a profile of readable size", "profile for a shorter time (--budget)")
        return self._output.read_bytes()

    def errors(self) -> int:
        """Readings that failed because the stacks changed while they were read."""
        found = ERRORS.search(self._log.read_bytes())
        return int(found[1]) if found else 0

    def complaint(self) -> str:
        """What the recorder printed, for the message when it failed."""
        return self._log.read_text(errors="replace").strip()

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Kill the recorder if it still runs, and remove its files."""
        self.kill()
        if self.ticks is not None:
            os.close(self.ticks)
            self.ticks = None
        self._directory.cleanup()


def _greeting(parent: socket.socket) -> tuple[float, int, int | None]:
    parent.settimeout(START_S)
    try:
        message, descriptors, _, _ = socket.recv_fds(parent, struct.calcsize(sampler_launch.HELLO), 1)
        began_s, priority, _ = struct.unpack(sampler_launch.HELLO, message)
    except (OSError, struct.error) as error:
        raise Unavailable("a child process for py-spy", f"could not start it: {error}") from error
    return began_s, priority, descriptors[0] if descriptors else None


def _gate_is_harmless(program: Path) -> bool:
    """The gate takes set-uid and file capabilities away; where py-spy has these, it needs them more."""
    if program.stat().st_mode & (stat.S_ISUID | stat.S_ISGID):
        return False
    try:
        return "security.capability" not in os.listxattr(program)
    except OSError:
        return True
