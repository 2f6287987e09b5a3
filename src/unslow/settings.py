"""What to look at and how: the options of one diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec


class Looking(msgspec.Struct, frozen=True, kw_only=True):
    """What to look at and how; the command line's options."""

    target: str
    """A URL served on this machine, or the path of a bundle."""
    budget_s: float = 30.0
    """Seconds for all collectors together."""
    postgres: str | None = None
    redis: str | None = None
    logs: tuple[Path, ...] = ()
    spans: Path | None = None
    otlp_port: int | None = None
    prometheus: str | None = None
    series: Path | None = None
    headers: Mapping[str, str] = {}
    rate_per_s: float | None = None
    use_metrics: bool = True
    use_database: bool = True
    use_profile: bool = True
    use_baseline: bool = True
