"""The handler sleeps.

Signature   request threads in time.sleep called by the application
Look-alike  long_poll: a loop that sleeps between looks for news, for seconds; sync_logging: sleeps in a log handler
Blind to    sleeps inside libraries that are recognised as something else
Reference   wall-clock profile
"""

from __future__ import annotations

from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms

RESTS_ON = ("profile",)

BY_DESIGN_S = 1.0
"""A handler that sleeps for seconds polls for something on purpose."""


def check(account: Account) -> Finding | Clear:
    lines = account.of_kind("sleep")
    slept_s = sum(line.now_s for line in lines)
    measured = f"each request sleeps {ms(slept_s)}"
    if slept_s >= BY_DESIGN_S or not is_excess(account, lines, normal=False):
        return Clear(measured)
    top = max(lines, key=lambda line: line.excess_s)
    return Finding(
        title=f"{top.place} sleeps",
        because=measured,
        place=top.place,
        claims=claim(account, lines),
        confidence=0.8,
        next_steps=(f"read {top.place}: wait for the event itself instead of sleeping",),
        fixes=(),
        evidence=("profile",),
    )
