"""Control groups of a process, version 1 and 2, as seen from here: quota, throttling, memory, pressure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from unslow.collect import processes

MOUNT = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60
"""Version 1 writes a number near 2**63 where there is no limit."""


class Quota(NamedTuple):
    cores: float
    folder: Path


class Throttling(NamedTuple):
    """Counters since the group was made."""

    periods: int
    throttled: int
    throttled_s: float


def folders(pid: int, controller: str) -> Iterator[Path]:
    """The process's group of a controller and its parents, innermost first; the root group is left out."""
    mounts = _mounts()
    ours = (processes.read(processes.PROC / "self" / "cgroup") or "").splitlines()
    for line in (processes.read(processes.PROC / str(pid) / "cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        mount = mounts.get(controller if controllers else "")
        if (controllers and controller not in controllers.split(",")) or mount is None:
            continue
        # In a container the path may point above what is mounted; then the root of what is mounted is our own
        # group, and the process's too when it is in the same one.
        folder = mount / path.lstrip("/")
        above = not folder.is_dir() or ".." in path
        if above and line not in ours:
            continue
        folder = mount if above else folder
        while folder != mount:
            yield folder
            folder = folder.parent
        if not controllers or path == "/" or above:
            yield mount


def _mounts() -> dict[str, Path]:
    """Controller to mount point; the unified hierarchy under the empty name."""
    found: dict[str, Path] = {}
    for line in (processes.read(processes.PROC / "mounts") or "").splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[2] == "cgroup2":
            found.setdefault("", Path(fields[1]))
        elif len(fields) > 3 and fields[2] == "cgroup":
            for option in fields[3].split(","):
                found.setdefault(option, Path(fields[1]))
    return found


def quota(pid: int) -> Quota | None:
    """The tightest CPU quota of the process's group and its parents; None: there is no limit."""
    found = []
    for folder in folders(pid, "cpu"):
        cores = _cores(folder)
        if cores is not None:
            found.append(Quota(cores, folder))
    return min(found, default=None)


def _cores(folder: Path) -> float | None:
    unified = (processes.read(folder / "cpu.max") or "").split()
    if len(unified) == 2:
        return None if unified[0] == "max" else int(unified[0]) / int(unified[1])
    limit, period = number(folder / "cpu.cfs_quota_us"), number(folder / "cpu.cfs_period_us")
    return limit / period if limit and period and limit > 0 else None


def throttling(folder: Path) -> Throttling | None:
    fields = keyed(folder / "cpu.stat")
    if "nr_periods" not in fields:
        return None
    seconds = fields.get("throttled_usec", 0) / 1e6 or fields.get("throttled_time", 0) / 1e9
    return Throttling(fields["nr_periods"], fields.get("nr_throttled", 0), seconds)


class MemoryGroup(NamedTuple):
    limit_bytes: int | None
    used_bytes: int | None


def memory(pid: int) -> MemoryGroup:
    """The tightest memory limit of the process's groups, and what that group uses."""
    found: list[tuple[int, int | None]] = []
    used: int | None = None
    for folder in folders(pid, "memory"):
        here = number(folder / "memory.current")
        if here is None:
            here = number(folder / "memory.usage_in_bytes")
        used = here if used is None else used
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = number(folder / name)
            if limit is not None and limit < _NO_LIMIT:
                found.append((limit, here))
    if not found:
        return MemoryGroup(None, used)
    tightest = min(found, key=lambda pair: pair[0])
    return MemoryGroup(*tightest)


def pressure_files(pid: int, resource: str) -> Iterator[Path]:
    """PSI of the process's own group where the kernel has it, then of the machine."""
    for folder in folders(pid, resource):
        file = folder / f"{resource}.pressure"
        if file.exists() and folder != MOUNT:
            yield file
    yield processes.PROC / "pressure" / resource


def stalled_s(file: Path) -> float | None:
    """Seconds since boot in which some task waited for the resource; None when PSI is off."""
    for line in (processes.read(file) or "").splitlines():
        if line.startswith("some "):
            return int(line.rpartition("total=")[2]) / 1e6
    return None


def number(file: Path) -> int | None:
    text = (processes.read(file) or "").strip()
    return int(text) if text.lstrip("-").isdigit() else None


def keyed(file: Path) -> dict[str, int]:
    """A file of `name number` lines."""
    rows = (line.split() for line in (processes.read(file) or "").splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
