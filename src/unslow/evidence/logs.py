"""Slow statements found in log files."""

from __future__ import annotations

import msgspec


class SlowStatement(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    """Shape of the statement: literals removed."""
    count: int
    total_s: float
    max_s: float
    first_s: float | None = None
    """Unix seconds of the first occurrence; None when the lines carry no readable time."""
    last_s: float | None = None
    example_line: int = 0


class SlowLog(msgspec.Struct, frozen=True, kw_only=True):
    files: tuple[str, ...]
    bytes: int
    """How much was read."""
    lines: int
    statements: tuple[SlowStatement, ...]
    """By total time, largest first."""
    errors: tuple[tuple[str, int], ...] = ()
    """Error and time-out line shapes with their counts."""
