"""The first thing that runs inside a target's container; only what every Python has, and nothing on its disk.

It reads its program from standard input, runs it as a child, and ends it for good: when it is done, when the
time is over, or when standard input closes, which is how it notices that whoever started it is gone.
Kept readable for old interpreters, so that these can say that they are too old.
"""

import contextlib
import ctypes
import json
import os
import platform
import select
import shutil
import signal
import sys
import tempfile
import time
import zlib
from typing import Any

OLDEST = (3, 11)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
FOLDERS = ("/dev/shm", "/tmp", "/var/tmp")  # noqa: S108 - the first is memory and there even on a read-only root


def read_exactly(size: int) -> bytes:
    parts = []
    while size:
        part = os.read(0, min(size, 1 << 20))
        if not part:
            sys.exit(4)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def folder() -> str:
    for base in FOLDERS:
        try:
            return tempfile.mkdtemp(prefix="unslow-", dir=base)
        except OSError:
            continue
    return ""


def in_memory(content: bytes) -> str:
    """Path of an executable file that is on no disk; empty where the kernel has none."""
    if not content or not hasattr(os, "memfd_create"):
        return ""
    handle = os.memfd_create("unslow")
    while content:
        content = content[os.write(handle, content) :]
    return f"/proc/{os.getpid()}/fd/{handle}"


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def child(header: "dict[str, Any]", program: "dict[str, Any]", files: "dict[str, str]") -> None:
    os.setpgid(0, 0)
    die_with_parent()
    signal.alarm(int(header["seconds"]) + 5)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    names = {"__name__": "unslow_inside", "REQUEST": header["request"], "FILES": files, "SOURCES": program["sources"]}
    exec(compile(program["main"], "<unslow>", "exec"), names)  # noqa: S102 - our own text


def wait(pid: int, ends: float) -> "int | None":
    """Exit status; None when the time was over or nobody listens any more."""
    while time.monotonic() < ends:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        if select.select([0], [], [], 0.05)[0] and not os.read(0, 4096):
            return None
    return None


def main() -> None:
    header = json.loads(read_exactly(int(read_exactly(10))).decode())
    if sys.version_info[:2] < OLDEST:
        sys.stderr.write(f"unslow: Python 3.11 or newer in the image (it has {platform.python_version()})\n")
        sys.exit(5)
    signal.alarm(int(header["seconds"]) + 10)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    contents = {name: zlib.decompress(read_exactly(size)) for name, size in header["files"]}
    program = json.loads(contents.pop("program").decode())
    own = folder()
    if own:
        os.environ["TMPDIR"] = own
    files = {name: in_memory(content) for name, content in contents.items()}
    del contents
    ends = time.monotonic() + header["seconds"]
    pid = os.fork()
    if not pid:
        code = 1
        try:
            child(header, program, files)
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the parent is told
            sys.stderr.write(f"unslow: {type(error).__name__}: {error}\n")
        finally:
            os._exit(code)
    try:
        status = wait(pid, ends)
    finally:
        with contextlib.suppress(OSError):  # it has ended, and nobody of its group is left
            os.killpg(pid, signal.SIGKILL)
        if own:
            shutil.rmtree(own, ignore_errors=True)
        reap()
    sys.exit(6 if status is None else os.WEXITSTATUS(status) if os.WIFEXITED(status) else 7)


def reap() -> None:
    """Nothing of ours is left to the container's first process."""
    ends = time.monotonic() + 1.0
    while time.monotonic() < ends:
        try:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(0.01)
        except OSError:
            return


if __name__ == "__main__":
    main()
