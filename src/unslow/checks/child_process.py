"""Request threads wait for a program that they started.

Signature   request threads inside subprocess or waiting for a child
Look-alike  slow_library: the work is done in this process
Blind to    programs that are started by a library which is recognised as something else
Reference   wall-clock profile
"""

from __future__ import annotations

from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms, total

RESTS_ON = ("profile",)


def check(account: Account) -> Finding | Clear:
    lines = account.of_kind("program")
    if not is_excess(account, lines, normal=False):
        return Clear(f"each request waits {ms(sum(line.now_s for line in lines))} for programs it starts")
    top = max(lines, key=lambda line: line.excess_s)
    return Finding(
        title=f"requests wait for another program in {top.place}",
        because=f"each request waits {ms(total(lines))} for programs it starts",
        place=top.place,
        claims=claim(account, lines),
        confidence=0.75,
        next_steps=(f"{top.place}: do the work in the process, or hand it to a job queue and answer first",),
        fixes=(),
        evidence=("profile",),
    )
