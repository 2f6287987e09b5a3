"""Redis: commands, hits, slow commands, large values."""

from __future__ import annotations

import msgspec


class Command(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    calls: float
    exec_s: float
    lifetime_calls: float = 0.0
    lifetime_exec_s: float = 0.0


class SlowCommand(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """Command word only; arguments may be secrets."""
    seconds: float
    at_s: float
    arguments: int = 0


class BigKey(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    """Digits masked."""
    type: str
    bytes: int


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    address: str
    version: str
    seconds: float
    hits: float
    """Key look-ups that found something, during the window."""
    misses: float
    lifetime_hits: float = 0.0
    lifetime_misses: float = 0.0
    lifetime_s: float = 0.0
    keys: int = 0
    evicted: float = 0.0
    expired: float = 0.0
    commands: tuple[Command, ...] = ()
    slow: tuple[SlowCommand, ...] = ()
    """From SLOWLOG, window only."""
    big_keys: tuple[BigKey, ...] = ()
    used_memory_bytes: int = 0
    max_memory_bytes: int = 0
    connections_opened_per_s: float = 0.0
    ping_s: float | None = None
    """Median of ten PINGs; a single-threaded server makes them wait behind slow commands."""
    output_bytes_per_s: float = 0.0
    notes: tuple[str, ...] = ()
    """What could not be seen, each with the permission or setting that is missing, and latency events."""

    @property
    def hit_ratio(self) -> float | None:
        looked = self.hits + self.misses
        return self.hits / looked if looked else None

    @property
    def lifetime_hit_ratio(self) -> float | None:
        looked = self.lifetime_hits + self.lifetime_misses
        return self.lifetime_hits / looked if looked else None
