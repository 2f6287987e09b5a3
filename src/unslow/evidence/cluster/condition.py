"""A condition as Kubernetes objects have them."""

from __future__ import annotations

from typing import Literal

import msgspec


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    status: Literal["True", "False", "Unknown"] = "True"
    reason: str = ""
    message: str = ""
    since_s: float | None = None
