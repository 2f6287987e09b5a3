"""The cache misses or is not asked, so requests recompute what it should hold.

Signature   look-ups that miss far more often than over the cache's life, or are no longer made, and
            database time that follows
Look-alike  missing_index: the same statement is slow even when asked once; redis_slow: the cache answers, late
Blind to    caches inside the process; what a hit would have saved besides database time
Reference   INFO stats: keyspace_hits, keyspace_misses
"""

from __future__ import annotations

from unslow.evidence.cache import Cache
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms, total

MISSING = 0.5
"""A cache that misses every second time hardly saves anything."""
SOME_USE = 100
"""Look-ups over the cache's life from which it can be said to have been in use."""
ABANDONED = 0.2
"""Look-ups fell to less than a fifth of their lifetime rate."""


def check(cache: Cache, account: Account) -> Finding | Clear:
    looked = cache.hits + cache.misses
    measured = f"{cache.hits:.0f} hits and {cache.misses:.0f} misses in {cache.seconds:.0f} s"
    if cache.lifetime_hit_ratio is not None:
        measured += f"; over the cache's life {cache.lifetime_hit_ratio:.0%} hits"
    rate = account.rate_per_s or 0.0
    misses_per_request = cache.misses / cache.seconds / rate if rate and cache.seconds else 0.0
    cold = looked > 0 and cache.misses / looked >= MISSING and misses_per_request >= 0.2
    if not (cold or _abandoned(cache, looked)):
        return Clear(measured)
    lines = account.of_kind("db query")
    if not is_excess(account, lines, normal=False):
        return Clear(f"{measured}; the database takes {ms(total(lines))} a request")
    return Finding(
        title="the cache misses" if cold else "the cache is no longer asked",
        because=f"{measured}; the database answers instead, {ms(total(lines))} a request",
        place=f"cache at {cache.address}",
        claims=claim(account, lines),
        confidence=0.8,
        next_steps=(
            "find what empties or bypasses the cache: FLUSHALL in commandstats, evictions, a changed key or TTL",
            "protect the refill: one request recomputes, the others wait or use the stale value",
        ),
        fixes=("restore_cache",),
        evidence=("cache.hits",),
    )


def _abandoned(cache: Cache, looked: float) -> bool:
    lifetime = cache.lifetime_hits + cache.lifetime_misses
    if lifetime < SOME_USE or not cache.lifetime_s or not cache.seconds:
        return False
    return looked / cache.seconds < ABANDONED * lifetime / cache.lifetime_s
