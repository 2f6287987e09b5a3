"""Slow statements in log files: PostgreSQL's own lines, SQLAlchemy-style lines, JSON lines, plain `slow query`.

One pass of one bytes pattern over the mapped file; a statement's shape is looked up by its text
without digits, so that each shape is only worked out once.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unslow.errors import BadInput, Unavailable
from unslow.evidence.logs import SlowLog, SlowStatement
from unslow.evidence.window import Window
from unslow.measure.log_shapes import shape

LARGEST_TAIL = 64 * 1024 * 1024
"""During a diagnosis only the end of a log is read."""
MOST_SHAPES = 200
TIMED = (
    rb"duration: ([0-9.]+) ms\s+(?:statement|execute [^:\n]*|parse [^:\n]*|bind [^:\n]*): "
    rb"([^\n]*(?:\n[\t ][^\n]*)*)"
)
"""PostgreSQL's duration line with its continuation lines."""
CALLED_SLOW = rb"(?i:slow[ _-]?(?:query|sql|statement))[^0-9\n]{0,40}([0-9.]+)\s*(ms|us|s)\b[^A-Za-z\n]{0,12}([^\n]*)"
"""A line that says slow query, a time and a statement."""
OF_DATABASE = re.compile(TIMED)
OF_ANY = re.compile(TIMED + b"|" + CALLED_SLOW)
BEGINNING = 1 << 20
"""A database's log is recognised by its first MiB: there the quick pattern, which begins with a word, is enough."""
FIRST_UNIT_S = {b"ms": 1e-3, b"us": 1e-6, b"s": 1.0}
DIGITS = bytes.maketrans(b"0123456789", b"0000000000")


@dataclass(slots=True)
class Sum:
    text: str
    line: int
    count: int = 0
    total_s: float = 0.0
    max_s: float = 0.0


class SlowLogReader:
    """The log files given, and those that the processes write to."""

    def __init__(self, files: Sequence[Path], pids: Iterable[int]) -> None:
        self._files = list(dict.fromkeys([*files, *written_by(pids)]))

    def read(self, window: Window) -> SlowLog:
        """Slow statements at the end of the files. Raises `Unavailable` when there is no log file."""
        if not self._files:
            raise Unavailable("a log file of the workers", "point unslow to it: --log FILE")
        return _summed(self._files, LARGEST_TAIL)


def summarise(path: Path) -> SlowLog:
    """Slow statements of a whole file. Raises `BadInput` when it cannot be read."""
    return _summed([path], None)


def written_by(pids: Iterable[int]) -> list[Path]:
    """Regular files that the processes have open and that are called like logs."""
    found: dict[Path, None] = {}
    for pid in pids:
        targets = _targets(pid)
        found |= {target: None for target in targets if ".log" in target.name or target.suffix in {".jsonl", ".out"}}
    return [path for path in found if path.is_file()]


def _targets(pid: int) -> list[Path]:
    """What the descriptors of a process point to; those that close meanwhile are left out."""
    folder = f"/proc/{pid}/fd"
    targets = []
    try:
        for name in os.listdir(folder):  # noqa: PTH208 - names are enough
            with contextlib.suppress(OSError):
                targets.append(Path(os.readlink(f"{folder}/{name}")))  # noqa: PTH115 - as above
    except OSError:
        return []  # gone, or another user's: its logs stay unknown
    return targets


def _summed(files: Sequence[Path], tail: int | None) -> SlowLog:
    sums: dict[bytes, Sum] = {}
    size = lines = 0
    for path in files:
        try:
            with path.open("rb") as file:
                length = os.fstat(file.fileno()).st_size
                if not length:
                    continue
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    start = max(0, length - tail) if tail else 0
                    size += length - start
                    lines += _add(content, start, sums)
        except (OSError, ValueError) as error:
            raise BadInput(f"{path} cannot be read: {error}", "give the path of a log file") from error
    merged: dict[str, Sum] = {}
    for one in sums.values():
        known = merged.setdefault(one.text, Sum(one.text, one.line))
        known.count += one.count
        known.total_s += one.total_s
        known.max_s = max(known.max_s, one.max_s)
    ranked = sorted(merged.values(), key=lambda one: (-one.total_s, one.text))[:MOST_SHAPES]
    return SlowLog(
        files=tuple(str(path) for path in files),
        bytes=size,
        lines=lines,
        statements=tuple(
            SlowStatement(text=one.text, count=one.count, total_s=one.total_s, max_s=one.max_s, example_line=one.line)
            for one in ranked
        ),
    )


def _add(content: mmap.mmap, start: int, sums: dict[bytes, Sum]) -> int:
    """Adds the statements of one file; returns how many lines named one."""
    beginning = content[start : start + BEGINNING]
    of_database = bool(OF_DATABASE.search(beginning)) and not re.search(CALLED_SLOW, beginning)
    number = 0
    for match in (OF_DATABASE if of_database else OF_ANY).finditer(content, start):
        number += 1
        took, text = match.group(1, 2)
        if text is None:
            took, unit, text = match.group(3, 4, 5)
            seconds = _number(took) * FIRST_UNIT_S[unit]
        else:
            seconds = _number(took) * 1e-3
        key = text.translate(DIGITS)
        known = sums.get(key)
        if known is None:
            known = sums[key] = Sum(shape(text.decode("utf-8", "replace")), number)
        known.count += 1
        known.total_s += seconds
        if seconds > known.max_s:
            known.max_s = seconds
    return number


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0  # `1.2.3` is no time; the statement still counts
