"""Workers are held by clients that send or read slowly.

Signature   request threads reading from or writing to their client while others queue
Look-alike  workers_saturated: workers held by their own work; long_poll: held by design
Blind to    slow clients that a buffering proxy keeps away
Reference   Gunicorn's documentation: sync workers need a buffering proxy in front
"""

from __future__ import annotations

from unslow.evidence.profile import Profile
from unslow.evidence.servers import Server
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.holders import occupancy
from unslow.measure.significance import claim, is_excess, ms, total

HELD = 0.3
"""Share of the busy request threads' time that goes to clients' sockets."""


def check(profile: Profile, account: Account, server: Server | None = None) -> Finding | Clear:
    held = occupancy(profile)
    busy = sum(held.values())
    ratio = held.get("client", 0.0) / busy if busy else 0.0
    measured = f"{ratio:.0%} of the workers' busy time goes to reading from and writing to clients"
    own = account.of_kind("client")
    lines = (*own, *account.of_kind("queue")) if ratio >= HELD else own
    if not is_excess(account, lines, normal=False):
        return Clear(measured)
    workers = f"{server.workers} {server.worker_class} workers" if server else "the workers"
    return Finding(
        title="slow clients hold the workers",
        because=f"{measured}; requests wait {ms(total(lines))} for {workers}",
        place=workers,
        claims=claim(account, lines),
        confidence=0.85,
        next_steps=(
            "put a buffering proxy (nginx with proxy_request_buffering on) in front, or use gthread workers",
            "set a limit on how long a client may take to send its request",
        ),
        fixes=("buffering_proxy",),
        evidence=("profile", "sockets.queue"),
    )
