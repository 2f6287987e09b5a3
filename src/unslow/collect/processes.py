"""What /proc tells of a process; None or nothing when it is gone or not ours to read."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_SERVERS = re.compile(r"(^|[/\s:])(gunicorn|flask|waitress(-serve)?|uwsgi|uvicorn|hypercorn|daphne)\b")
_PYTHON = re.compile(r"(^|/)(python|pypy)[\d.]*[a-z]*( \(deleted\))?$")


class Stat(NamedTuple):
    """The fields of /proc/PID/stat that are used here; times in clock ticks."""

    comm: str
    state: str
    parent: int
    major_faults: int
    cpu_ticks: int
    threads: int
    start_ticks: int


def pids() -> list[int]:
    return sorted(int(name) for name in os.listdir(PROC) if name.isdigit())  # noqa: PTH208 - names, not paths


def read(path: Path) -> str | None:
    """A small file's text; None when it cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def stat(pid: int) -> Stat | None:
    text = read(PROC / str(pid) / "stat")
    return parse_stat(text) if text else None


def parse_stat(text: str) -> Stat:
    """A command name may hold blanks and brackets, so fields are counted from the last bracket."""
    opened, closed = text.index("("), text.rindex(")")
    fields = text[closed + 2 :].split()
    return Stat(
        text[opened + 1 : closed],
        fields[0],
        int(fields[1]),
        int(fields[9]),
        int(fields[11]) + int(fields[12]),
        int(fields[17]),
        int(fields[19]),
    )


def started_s(pid: int) -> float | None:
    """Unix seconds."""
    known = stat(pid)
    if known is None:
        return None
    booted_s = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted_s + known.start_ticks / TICKS_PER_S


def command_line(pid: int) -> tuple[str, ...]:
    """Arguments; a rewritten title (setproctitle, nginx) comes back split at blanks."""
    text = read(PROC / str(pid) / "cmdline")
    if not text:
        return ()
    arguments = text.rstrip("\0 ").split("\0")
    return tuple(arguments[0].split()) if len(arguments) == 1 else tuple(arguments)


def executable(pid: int) -> str:
    return _link(pid, "exe")


def working_folder(pid: int) -> str:
    return _link(pid, "cwd")


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(PROC / str(pid) / name)  # noqa: PTH115 - text such as "socket:[1]" is no path
    except OSError:
        return ""


def environment_value(pid: int, name: str) -> str | None:
    """One variable of the process as it was started; no other value is kept."""
    for entry in (read(PROC / str(pid) / "environ") or "").split("\0"):
        key, equals, value = entry.partition("=")
        if equals and key == name:
            return value
    return None


def socket_inodes(pid: int) -> dict[int, int] | None:
    """Inode to descriptor of every socket that the process holds; None when they cannot be read."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except OSError:
        return None
    found = {}
    for name in names:
        try:
            target = os.readlink(f"{folder}/{name}")  # noqa: PTH115
        except OSError:
            continue  # closed since it was listed
        if target.startswith("socket:["):
            found[int(target[8:-1])] = int(name)
    return found


def holders(inodes: Iterable[int]) -> tuple[int, ...]:
    """Processes that hold any of these sockets open."""
    wanted = set(inodes)
    return tuple(pid for pid in pids() if wanted & (socket_inodes(pid) or {}).keys())


def is_interpreter(path: str) -> bool:
    """Whether the executable is Python itself, not a server that embeds it."""
    return bool(_PYTHON.search(path))


def is_python(pid: int) -> bool:
    """Whether its executable is an interpreter, or a server that embeds one."""
    return bool(is_interpreter(executable(pid)) or _SERVERS.search(" ".join(command_line(pid)[:4])))


def family(members: Iterable[int]) -> tuple[int, tuple[int, ...]]:
    """(master, workers) among processes that share a listening socket.

    The master is the one whose parent is not among them and that has most children there; a process
    without children is its own worker. Raises ValueError when `members` is empty.
    """
    parents = {pid: known.parent for pid in members if (known := stat(pid))}
    children = {pid: tuple(sorted(child for child in parents if parents[child] == pid)) for pid in parents}
    roots = [pid for pid in parents if parents[pid] not in parents]
    master = max(roots, key=lambda pid: (len(children[pid]), -pid))
    return master, children[master] or (master,)


def run_as_owner(pid: int, arguments: list[str]) -> subprocess.CompletedProcess[str] | None:
    """Run the executable of `pid` for at most 3 s with the rights of that process; None when it cannot be.

    Never with more rights: a program that another user put there must not run as root.
    """
    try:
        owner = (PROC / str(pid)).stat()
        root = os.geteuid() == 0
        libraries = environment_value(pid, "LD_LIBRARY_PATH")
        return subprocess.run(
            [executable(pid), *arguments],
            capture_output=True,
            text=True,
            timeout=3,
            check=False,
            cwd="/",
            env={"LD_LIBRARY_PATH": libraries} if libraries else {},
            user=owner.st_uid if root else None,
            group=owner.st_gid if root else None,
            extra_groups=[] if root else None,
        )
    except (OSError, subprocess.SubprocessError):
        return None


def children(pid: int) -> tuple[int, ...]:
    """Processes that `pid` started."""
    texts = [read(file) for file in (PROC / str(pid) / "task").glob("*/children")]
    if texts:
        return tuple(sorted(int(child) for text in texts for child in (text or "").split()))
    # A kernel without CONFIG_PROC_CHILDREN.
    return tuple(each for each in pids() if (known := stat(each)) and known.parent == pid)


class Mapping(NamedTuple):
    """One line of /proc/PID/maps."""

    start: int
    end: int
    permissions: str
    path: str


def mappings(pid: int) -> Iterator[Mapping]:
    for line in (read(PROC / str(pid) / "maps") or "").splitlines():
        fields = line.split(maxsplit=5)
        start, end = (int(text, 16) for text in fields[0].split("-"))
        yield Mapping(start, end, fields[1], fields[5] if len(fields) > 5 else "")
