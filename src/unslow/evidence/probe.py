"""How the evidence was got: one `Probe` per collector, one `Item` per citable fact."""

from __future__ import annotations

from typing import Literal

import msgspec


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """The collector's name; also the evidence section that it fills."""
    rung: str
    """Where on the ladder it stands: request, page, kernel, process, database, cache, log, trace."""
    started_s: float
    seconds: float
    result: Literal["ok", "skipped", "failed"]
    missing: str = ""
    remedy: str = ""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    """Stable id such as `requests.mean`, cited by account lines and causes."""
    title: str
    command: str
    """The equivalent command for a person."""
    value: float | str
    unit: str = ""
    n: int = 0
    """Sample size behind the value; 0 where counting makes no sense."""
