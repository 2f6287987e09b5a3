"""What changed lately: processes that started and files of the application that were written."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from unslow.collect import processes
from unslow.collect.discovery import Found
from unslow.evidence.deploys import Change, Deploys

LOOKED_BACK_S = 7 * 24 * 3600.0
"""Older changes explain nothing that began lately."""
MAX_FILES = 2000
MAX_DEPTH = 5
MAX_CHANGES = 20
TOGETHER_S = 2.0
"""A server starts its workers within this time of one another."""
SKIPPED = frozenset(
    ("site-packages", "dist-packages", "node_modules", "__pycache__", "venv", "env", "build", "dist", "tests")
)
SUFFIXES = frozenset((".py", ".toml", ".ini", ".cfg", ".yaml", ".yml", ".json", ".env", ".conf"))


def deploys(found: Found) -> Deploys:
    """Changes of the last days, newest first."""
    since_s = time.time() - LOOKED_BACK_S
    changes = [*_starts(found), *_written(found)]
    recent = sorted((each for each in changes if each.at_s >= since_s), key=lambda each: (-each.at_s, each.where))
    return Deploys(changes=tuple(recent[:MAX_CHANGES]), looked_back_s=LOOKED_BACK_S)


def _starts(found: Found) -> Iterator[Change]:
    master_s = processes.started_s(found.master)
    if master_s is not None:
        yield Change(at_s=master_s, what="the server was started", where=f"process {found.master}")
    for pid in found.workers_now():
        started_s = processes.started_s(pid)
        later = started_s is not None and (master_s is None or started_s > master_s + TOGETHER_S)
        if started_s is not None and later and pid != found.master:
            yield Change(at_s=started_s, what="a worker was started", where=f"process {pid}")


def _written(found: Found) -> Iterator[Change]:
    """The newest file of each folder: one deploy writes many files at once."""
    base = Path(found.cwd)
    # A service that was started in / or in a home folder has no folder of its own.
    if len(base.parts) < 3:
        return
    newest: dict[Path, tuple[float, Path]] = {}
    for file in files(base):
        try:
            written_s = file.stat().st_mtime
        except OSError:
            continue  # removed since it was listed
        newest[file.parent] = max(newest.get(file.parent, (0.0, file)), (written_s, file))
    for written_s, file in newest.values():
        yield Change(at_s=written_s, what="a file was written", where=str(file.relative_to(base)))


def files(base: Path) -> Iterator[Path]:
    """Sources and settings below `base`, at most `MAX_FILES`; no installed packages, no hidden folders."""
    number = 0
    for folder, names, entries in os.walk(base):
        depth = len(Path(folder).relative_to(base).parts)
        names[:] = sorted(
            name
            for name in names
            if depth < MAX_DEPTH
            and name not in SKIPPED
            and not name.startswith(".")
            and not Path(folder, name, "pyvenv.cfg").exists()
        )
        for entry in sorted(entries):
            if Path(entry).suffix in SUFFIXES or entry == ".env":
                number += 1
                if number > MAX_FILES:
                    return
                yield Path(folder, entry)
