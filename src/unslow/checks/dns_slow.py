"""Looking up names takes the time.

Signature   request threads inside getaddrinfo
Look-alike  network_slow: the way after the name is known; connection_churn: many connections, quick names
Blind to    look-ups inside C libraries that call no Python function
Reference   resolv.conf(5): a server that does not answer costs `timeout` seconds (default 5) before the next try
"""

from __future__ import annotations

from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.in_app import FIXED_PLACE
from unslow.measure.significance import claim, is_excess, ms, total

RESTS_ON = ("profile",)


def check(account: Account) -> Finding | Clear:
    lines = tuple(line for line in account.of_kind("network") if line.place == FIXED_PLACE["dns"])
    if not is_excess(account, lines, normal=False):
        return Clear(f"name look-ups take {ms(sum(line.now_s for line in lines))} a request")
    return Finding(
        title="name look-ups are slow",
        because=f"{ms(total(lines))} a request inside getaddrinfo",
        place="DNS",
        claims=claim(account, lines),
        confidence=0.95,
        next_steps=(
            "time each server of /etc/resolv.conf: dig @SERVER NAME +tries=1",
            "keep connections open so that names are looked up rarely; lower ndots or use full names",
        ),
        fixes=("keep_connections",),
        evidence=("profile",),
    )
