"""The way between the application and something it calls takes the time, not the work there.

Signature   threads wait for an answer while the called server is idle; or a long kernel round trip
Look-alike  slow_downstream: the called server is busy that long; dns_slow: the name, not the way
Blind to    servers on other machines whose work cannot be seen (then only round trips and retransmits speak)
Reference   tcp_info.rtt, retransmits; Little's law on both ends
"""

from __future__ import annotations

from unslow.evidence.sockets import Sockets
from unslow.finding import Clear, Finding
from unslow.measure.account import Account, Line
from unslow.measure.significance import claim, is_excess, ms, total

RESTS_ON = ("profile", "spans")


def check(sockets: Sockets, account: Account) -> Finding | Clear:
    between = tuple(line for line in account.of_kind("network") if line.detail)
    if not is_excess(account, between, normal=False):
        return Clear(f"{ms(total(between))} a request between here and the services it calls")
    top = max(between, key=lambda line: line.excess_s)
    return Finding(
        title=f"the network {top.place} is slow",
        because=f"{ms(total(between))} a request on the way{_seen(sockets, top)}",
        place=top.place,
        claims=claim(account, between),
        confidence=0.75,
        next_steps=(
            f"time the way by hand from both ends: curl -o /dev/null -s -w '%{{time_connect}} %{{time_starttransfer}}\\n' http://{top.detail}/",
            "look for a proxy, sidecar or firewall between the two; keep connections open",
        ),
        fixes=("shorten_path",),
        evidence=("profile", "sockets.peers"),
    )


def _seen(sockets: Sockets, line: Line) -> str:
    peer = next((peer for peer in sockets.peers if peer.address == line.detail), None)
    if peer is None:
        return ""
    seen = f"; {peer.name} itself is busy with only {peer.busy_mean or 0:.2f} requests at a time"
    if peer.hops:
        seen += f", reached through {', '.join(peer.hops)}"
    if peer.rtt_s is not None:
        seen += f"; kernel round trip {ms(peer.rtt_s)}"
    return seen
