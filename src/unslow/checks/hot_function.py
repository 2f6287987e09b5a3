"""A function of the application computes.

Signature   running request threads whose innermost frame is the application's own code
Look-alike  slow_library: the code is somebody else's; gc_pauses and gil_contention smear over innocent lines
Blind to    time inside C extensions is charged to the calling line
Reference   wall-clock profile, self time
"""

from __future__ import annotations

from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms

RESTS_ON = ("profile",)


def check(account: Account) -> Finding | Clear:
    lines = tuple(line for line in account.of_kind("cpu code") if line.detail == "code" and line.excess_s > 0)
    if not lines:
        return Clear("no time in the application's own code")
    top = max(lines, key=lambda line: line.excess_s)
    measured = f"the application's own code takes {ms(sum(line.now_s for line in lines))} of CPU a request"
    if not is_excess(account, lines, normal=True):
        return Clear(f"{measured}, most in {top.place}")
    return Finding(
        title=f"{top.place} computes for {ms(top.now_s)} a request",
        because=f"{measured}; {ms(top.excess_s)} of it in {top.place}",
        place=top.place,
        # Other requests wait for the interpreter lock while this code holds it.
        claims=claim(account, (*lines, *account.of_kind("gil"))),
        # Without a reference this may be what the service is for: a queue is then not its consequence.
        confidence=0.7 if account.has_reference else 0.58,
        next_steps=(
            f"read {top.place}: look for repeated work that can be cached, hoisted out of a loop or vectorised",
        ),
        fixes=("profile_function",),
        evidence=("profile",),
    )
