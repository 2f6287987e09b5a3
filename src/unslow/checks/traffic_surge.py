"""More requests arrive than usual, and they queue.

Signature   a request rate well above the baseline or the counters' lifetime, together with a queue
Look-alike  workers_saturated: the usual traffic and too few workers; retry_storm: the callers' own retries
Blind to    a surge that has lasted for the whole life of every counter
Reference   USE method: saturation follows utilization = rate x service time / slots
"""

from __future__ import annotations

from unslow.evidence import Evidence
from unslow.evidence.queries import Queries
from unslow.evidence.requests import Timers
from unslow.evidence.series import Series
from unslow.evidence.servers import Server
from unslow.evidence.sockets import Sockets
from unslow.evidence.window import Window
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms, total
from unslow.measure.traffic import growth

SURGE = 1.6
"""Traffic that has grown by less is within a day's tide."""


def check(
    account: Account,
    window: Window,
    reference: Evidence | None = None,
    timers: Timers | None = None,
    queries: Queries | None = None,
    sockets: Sockets | None = None,
    server: Server | None = None,
    series: Series | None = None,
) -> Finding | Clear | Skipped:
    grown = growth(account.rate_per_s, window, reference, timers, queries, sockets, series)
    if grown is None:
        return Skipped(
            "an earlier request rate", "save a baseline in quiet times: unslow baseline URL; or --series FILE"
        )
    measured = f"{grown.now:.1f} {grown.unit} now, {grown.before:.1f} {grown.source}"
    if grown.ratio < SURGE:
        return Clear(measured)
    earlier = reference.server if reference else None
    if server and earlier and earlier.slots / server.slots > grown.ratio:
        return Clear(f"{measured}, but the request slots fell from {earlier.slots} to {server.slots}, which is more")
    lines = account.of_kind("queue", "cpu contended", "gil")
    if not is_excess(account, account.of_kind("queue"), normal=False):
        return Clear(f"{measured}, and {ms(total(lines))} of waiting")
    return Finding(
        title=f"traffic grew {grown.ratio:.1f} times",
        because=f"{measured}; requests wait {ms(total(lines))} for a worker or a core",
        place="incoming traffic",
        claims=claim(account, lines),
        confidence=0.75 if grown.certain else 0.65,
        next_steps=(
            "find who sends it: access log by client and path",
            "scale out, or shed: rate limits per client, a cache in front",
        ),
        fixes=("scale_out",),
        evidence=("sockets.rate", "sockets.queue"),
    )
