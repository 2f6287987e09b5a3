"""The three outcomes of a check."""

from __future__ import annotations

import msgspec


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of one account line that a finding says are its own."""

    line: str
    """`Line.id`."""
    ms: float


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    because: str
    """Measured values with units."""
    place: str = ""
    claims: tuple[Claim, ...] = ()
    confidence: float = 0.5
    """0..1; on two findings that claim the same milliseconds, the more specific (surer) one keeps them."""
    keeps_waiting: bool = False
    """Whether workers or cores are proven to be missing or taken from outside: then waiting for them is no
    consequence of another cause."""
    next_steps: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


class Clear(msgspec.Struct, frozen=True):
    because: str


class Skipped(msgspec.Struct, frozen=True):
    missing: str
    remedy: str = ""
    """Empty: `missing` is the name of a section, and whoever runs the check knows why it is absent."""


Outcome = Finding | Clear | Skipped
