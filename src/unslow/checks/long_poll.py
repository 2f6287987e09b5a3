"""The route waits by design: it holds the request until there is news. Never a cause.

Signature   request threads in a wait with a timeout that the application itself asked for
Look-alike  lock_contention and pool_exhausted: waits that nobody asked for
Blind to    waiting by design inside a called service
Reference   long polls, streams and blocking pops are slow on purpose: judge them by their own objective
"""

from __future__ import annotations

from unslow.finding import Clear
from unslow.measure.account import Account
from unslow.measure.significance import ms

RESTS_ON = ("profile",)


def check(account: Account) -> Clear:
    waited_s = sum(line.now_s for line in account.of_kind("wait"))
    return Clear(f"{ms(waited_s)} of {ms(account.now.mean_s)} a request is waiting that the route asks for itself")
