"""One part of a mean request's time."""

from __future__ import annotations

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    place: str
    seconds: float
    se_s: float
    evidence: tuple[str, ...] = ()
    detail: str = ""
    """Machine-readable subject: a query id, a peer's address, a function."""
    service: str = ""
    """Whose time it is, when it is not the target's own."""
