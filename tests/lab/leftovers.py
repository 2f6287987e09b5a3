"""What is still running of a shop."""

from __future__ import annotations

import os
from pathlib import Path


def processes_of(folder: Path) -> list[int]:
    """Processes whose command line or working folder names the shop's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
            place = str((entry / "cwd").readlink())
        except OSError:
            continue  # it has just gone
        if str(folder) in command or str(folder) in place:
            found.append(int(entry.name))
    return found
