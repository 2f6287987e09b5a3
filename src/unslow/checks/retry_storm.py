"""Calls time out and are made again, so one request waits for several of them.

Signature   connections that the caller closed before the answer came, or retry code in the stacks
Look-alike  slow_downstream: slow answers that are waited for; n_plus_one over HTTP: many calls that are all answered
Blind to    retries inside a kept connection that is not closed
Reference   retry budgets; a caller's timeout below the callee's usual time doubles the callee's load
"""

from __future__ import annotations

from unslow.evidence.profile import Profile
from unslow.evidence.sockets import Sockets
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.retries import retry_ratio
from unslow.measure.significance import claim, is_excess, ms, total

GIVEN_UP = 0.15
"""Calls given up per request; a healthy caller gives up next to none."""
IN_RETRY = 0.05
"""Share of in-request time inside retry code (waiting before the next try)."""


def check(sockets: Sockets, account: Account, profile: Profile | None = None) -> Finding | Clear:
    rate = account.rate_per_s
    callees = [peer for peer in sockets.peers if peer.kind == "http"]
    given_up = sum(peer.aborted_per_s or 0.0 for peer in callees) / rate if rate else 0.0
    retrying = retry_ratio(profile) if profile else 0.0
    measured = (
        f"{given_up:.2f} calls given up before their answer per request, {retrying:.0%} of the time in retry code"
    )
    lines = (
        *account.of_kind("downstream", "retry"),
        *(line for line in account.of_kind("network") if line.detail),
    )
    if (given_up < GIVEN_UP and retrying < IN_RETRY) or not is_excess(account, lines, normal=False):
        return Clear(measured)
    worst = max(callees, key=lambda peer: peer.aborted_per_s or 0.0, default=None)
    name = worst.name if worst else "the called service"
    return Finding(
        title=f"calls to {name} time out and are tried again",
        because=f"{measured}; {ms(total(lines))} a request",
        place=f"calls to {name}",
        claims=claim(account, lines),
        confidence=0.85,
        next_steps=(
            f"give calls to {name} a timeout above its usual p99 and at most one retry, with a retry budget",
            f"diagnose {name}: retries add load to what is already slow",
        ),
        fixes=("order_timeouts",),
        evidence=("sockets.peers", "profile"),
    )
