"""The cache itself answers slowly: a command that blocks it, or a value too large.

Signature   request threads waiting for Redis; slow commands, large values or slow PINGs on its side
Look-alike  cache_cold: quick misses; network_slow: Redis is idle and the way is long
Blind to    slow commands below slowlog-log-slower-than
Reference   Redis runs one command at a time: everybody waits behind KEYS or a big value
"""

from __future__ import annotations

from unslow.evidence.cache import Cache
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms

RESTS_ON = ("profile",)


def check(account: Account, cache: Cache | None = None) -> Finding | Clear:
    lines = account.of_kind("cache")
    measured = f"each request waits {ms(sum(line.now_s for line in lines))} for the cache"
    if not is_excess(account, lines, normal=False):
        return Clear(measured)
    return Finding(
        title="the cache answers slowly",
        because=f"{measured}{_seen(cache)}",
        place=f"cache at {cache.address}" if cache else lines[0].place,
        claims=claim(account, lines),
        confidence=0.85,
        next_steps=(
            "replace KEYS by SCAN, and split values of more than 100 kB",
            "look at SLOWLOG GET 20 and MEMORY USAGE of the largest keys",
        ),
        fixes=("avoid_blocking_commands",),
        evidence=("profile", "cache.commands"),
    )


def _seen(cache: Cache | None) -> str:
    if cache is None:
        return ""
    seen = ""
    if cache.ping_s is not None:
        seen += f"; a PING takes {ms(cache.ping_s)}"
    busiest = max(cache.commands, key=lambda command: command.exec_s, default=None)
    if busiest is not None and busiest.calls:
        seen += f"; {busiest.name} takes {ms(busiest.exec_s / busiest.calls)} a call, {busiest.calls:.0f} calls"
    if cache.big_keys:
        seen += f"; largest value {cache.big_keys[0].key} with {cache.big_keys[0].bytes / 1e6:.1f} MB"
    return seen
