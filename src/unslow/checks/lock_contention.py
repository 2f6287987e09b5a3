"""Request threads wait for a lock of the application itself.

Signature   request threads blocked on a lock that is not the interpreter's
Look-alike  gil_contention: the interpreter's own lock; pool_exhausted: the lock is a pool's condition
Blind to    locks between processes
Reference   off-CPU analysis
"""

from __future__ import annotations

from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms, total

RESTS_ON = ("profile",)


def check(account: Account) -> Finding | Clear:
    lines = account.of_kind("lock")
    if not is_excess(account, lines, normal=False):
        return Clear(f"each request waits {ms(sum(line.now_s for line in lines))} for the application's own locks")
    top = max(lines, key=lambda line: line.excess_s)
    return Finding(
        title=f"threads queue for a lock in {top.place}",
        because=f"each request waits {ms(total(lines))} for it",
        place=top.place,
        claims=claim(account, lines),
        confidence=0.75,
        next_steps=(f"hold the lock in {top.place} for less: take slow calls out of it, or split it",),
        fixes=(),
        evidence=("profile",),
    )
