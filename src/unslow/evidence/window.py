"""Which target, and when."""

from __future__ import annotations

from typing import Literal

import msgspec


class Target(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """As the user wrote it, without credentials."""
    kind: Literal["url", "workload"] = "url"
    service: str = ""
    """Short name of the application behind it, from its process."""
    path: str = "/"
    path_by: Literal["user", "timer", "probe", "nobody"] = "user"
    """Who chose it: the user, the application's own timer (most time is spent there), its health probe, or nobody."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Half-open [start_s, end_s): the time in which latency was measured."""

    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s
