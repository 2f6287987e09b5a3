"""Writing log lines blocks requests.

Signature   request threads inside a logging handler
Look-alike  hot_function: formatting that computes; lock_contention: threads queue for the handler's lock (counted here)
Blind to    writes that return at once and slow the disk for others
Reference   logging.handlers.QueueHandler takes the write out of the request
"""

from __future__ import annotations

from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms, total

RESTS_ON = ("profile",)


def check(account: Account) -> Finding | Clear:
    lines = account.of_kind("log")
    measured = f"logging takes {ms(sum(line.now_s for line in lines))} a request"
    if not is_excess(account, lines, normal=False):
        return Clear(measured)
    top = max(lines, key=lambda line: line.excess_s)
    return Finding(
        title="writing log lines blocks requests",
        because=f"{measured}, {ms(total(lines))} more than it should, in {top.place}",
        place=top.place,
        claims=claim(account, lines),
        confidence=0.9,
        next_steps=(
            "put a QueueHandler before the slow handler and write from another thread",
            "log less per request, or to a sink that does not block",
        ),
        fixes=("queue_log_handler",),
        evidence=("profile",),
    )
