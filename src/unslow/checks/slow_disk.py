"""Request threads wait for a file to be read, written or synced.

Signature   request threads inside fsync, or a read or write of a regular file, outside log handlers and drivers
Look-alike  sync_logging: the write is a log handler's; slow_query: the database waits for the disk
Blind to    page faults of mapped files; files on the network, which are counted as disks
Reference   off-CPU analysis; on cloud volumes the burst balance ends and each sync gets slower
"""

from __future__ import annotations

from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms, total

RESTS_ON = ("profile",)


def check(account: Account) -> Finding | Clear:
    lines = account.of_kind("disk")
    if not is_excess(account, lines, normal=False):
        return Clear(f"each request waits {ms(sum(line.now_s for line in lines))} for files")
    top = max(lines, key=lambda line: line.excess_s)
    return Finding(
        title=f"requests wait for files in {top.place}",
        because=f"each request waits {ms(total(lines))} for files",
        place=top.place,
        claims=claim(account, lines),
        confidence=0.75,
        next_steps=(f"{top.place}: sync once a request, or write to a queue and answer first",),
        fixes=(),
        evidence=("profile",),
    )
