"""A service that the application calls answers slowly.

Signature   request threads waiting for an HTTP answer, and the called server busy or queueing that long
Look-alike  network_slow: the called server is idle meanwhile; retry_storm: several short calls for one request
Blind to    what a server on another machine does with the time (then its share of the way is inside)
Reference   client span against server span; here by Little's law on the called server's threads
"""

from __future__ import annotations

from unslow.evidence.sockets import Sockets
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms, total


def check(account: Account, sockets: Sockets | None = None) -> Finding | Clear:
    lines = account.of_kind("downstream")
    if not lines:
        return Clear("no time in calls to other services")
    top = max(lines, key=lambda line: line.excess_s)
    measured = f"each request spends {ms(sum(line.now_s for line in lines))} in calls to other services"
    if not is_excess(account, lines, normal=True):
        return Clear(measured)
    peers = {peer.address: peer for peer in (sockets.peers if sockets else ())}
    peer = peers.get(top.detail)
    if peer is not None and peer.busy_mean is not None:
        measured += f"; {peer.name} is busy with {peer.busy_mean:.1f} requests at a time"
    return Finding(
        title=f"{top.place}: the called service is slow",
        because=f"{measured}; {ms(total((top,)))} of it in {top.place}",
        place=top.place,
        claims=claim(account, lines),
        # Without a reference this may be its normal time: a queue is then not its consequence.
        confidence=0.7 if account.has_reference else 0.55,
        next_steps=(
            f"diagnose the called service in the same way: unslow diagnose http://{top.detail or 'ITS-ADDRESS'}/",
            "meanwhile give the call a timeout below the caller's own, or answer without it",
        ),
        fixes=("set_timeout",),
        evidence=("profile", "sockets.peers"),
    )
