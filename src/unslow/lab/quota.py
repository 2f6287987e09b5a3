"""A CPU quota on a running process: a control group of its own, version 1 or 2."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

from unslow.lab.faults import FaultUnavailable

PERIOD_US = 100_000
ROOTS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))


class Quota:
    """A group for processes, without a limit until `hold`; `FaultUnavailable` where none can be made."""

    def __init__(self) -> None:
        root = next((root for root in ROOTS if (root / "cgroup.procs").exists()), None)
        if root is None:
            raise FaultUnavailable("no cpu control group is mounted")
        self._group = root / f"shop-{uuid.uuid4().hex[:8]}"
        try:
            if (root / "cgroup.subtree_control").exists():
                (root / "cgroup.subtree_control").write_text("+cpu")
            self._group.mkdir()
        except OSError as error:
            raise FaultUnavailable(f"a cpu control group cannot be made ({error.strerror}): run as root") from error

    def hold(self, master: int, cores: float) -> None:
        """Move a process and its children into the group; together they may use `cores`."""
        quota_us = int(cores * PERIOD_US)
        if (self._group / "cpu.cfs_quota_us").exists():
            (self._group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self._group / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (self._group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        for pid in (str(master), *Path(f"/proc/{master}/task/{master}/children").read_text().split()):
            (self._group / "cgroup.procs").write_text(pid)

    def remove(self) -> None:
        """To be called when its processes have ended; the kernel lets a group go a moment after them."""
        for _ in range(40):
            try:
                self._group.rmdir()
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self._group} is still in use")
