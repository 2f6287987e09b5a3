"""The interpreter stops to collect garbage while requests are in flight.

Signature   workers found inside the collector for a noticeable share of the time
Look-alike  hot_function: the collector runs inside whatever allocates, so stacks blame innocent code
Blind to    interpreters whose collector state cannot be read; memory reclaim by the kernel
Reference   CPython's full collection visits every tracked object: its time grows with the heap
"""

from __future__ import annotations

from unslow.evidence.cpu import Memory
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms, total


def check(memory: Memory, account: Account) -> Finding | Clear | Skipped:
    if memory.gc_ratio is None:
        return Skipped("the interpreter's collector state", "run as root or as the workers' user with ptrace allowed")
    measured = f"the workers spend {memory.gc_ratio:.0%} of the time collecting garbage"
    if memory.gc_full_collections_per_s is not None:
        measured += f", {memory.gc_full_collections_per_s:.1f} full collections a second"
    lines = account.of_kind("memory")
    if not is_excess(account, lines, normal=False):
        return Clear(measured)
    return Finding(
        title="garbage collection pauses requests",
        because=f"{measured}: {ms(total(lines))} of each request",
        place="Python's cyclic garbage collector",
        claims=claim(account, lines),
        confidence=0.9,
        next_steps=(
            "call gc.freeze() after start-up so that long-lived objects are not visited again",
            "raise gc.set_threshold, or look for a cache that keeps millions of objects",
        ),
        fixes=("gc_freeze",),
        evidence=("memory.gc",),
    )
