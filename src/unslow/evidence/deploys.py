"""What changed lately: processes started, files written, settings reloaded."""

from __future__ import annotations

import msgspec


class Change(msgspec.Struct, frozen=True, kw_only=True):
    at_s: float
    what: str
    where: str


class Deploys(msgspec.Struct, frozen=True, kw_only=True):
    changes: tuple[Change, ...]
    looked_back_s: float
