"""A CPU quota on a running process: a control group of its own, version 1 or 2."""

from __future__ import annotations

import os
from pathlib import Path

from unslow.lab.faults import FaultUnavailable

PERIOD_US = 100_000
ROOTS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))


class Quota:
    """Holds processes to `cores` until `remove()`."""

    def __init__(self, cores: float) -> None:
        root = next((root for root in ROOTS if (root / "cgroup.procs").exists()), None)
        if root is None:
            raise FaultUnavailable("no cpu control group is mounted")
        self._group = root / f"unslow-lab-{os.getpid()}"
        quota_us = int(cores * PERIOD_US)
        try:
            self._group.mkdir(exist_ok=True)
            if (self._group / "cpu.cfs_quota_us").exists():
                (self._group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (self._group / "cpu.cfs_quota_us").write_text(str(quota_us))
            else:
                (self._group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        except OSError as error:
            raise FaultUnavailable(f"a control group cannot be made: {error}") from error

    def hold(self, master: int) -> None:
        """Move a process and its children into the group."""
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        for pid in (str(master), *children):
            (self._group / "cgroup.procs").write_text(pid)

    def remove(self) -> None:
        """Its processes go back to the group above; then it goes."""
        try:
            for pid in (self._group / "cgroup.procs").read_text().split():
                (self._group.parent / "cgroup.procs").write_text(pid)
            self._group.rmdir()
        except (FileNotFoundError, ProcessLookupError):
            return  # its last process took it along
