"""A service that the application calls answers slowly, or one that it calls in turn.

Signature   request threads waiting for an HTTP answer, and the called server busy or queueing that long;
            with traces: own time on the critical path in a service behind the target
Look-alike  network_slow: the called server is idle meanwhile; retry_storm: several short calls for one request
Blind to    without traces: what a server on another machine does with the time, and who is behind it
Reference   client span against server span; without them Little's law on the called server's threads
"""

from __future__ import annotations

from collections.abc import Sequence

from unslow.evidence.cluster import Services
from unslow.evidence.sockets import Peer, Sockets
from unslow.evidence.spans import Spans
from unslow.finding import Clear, Finding
from unslow.measure.account import Account, Line
from unslow.measure.cluster_cpu import free_it, stopped_behind, stops
from unslow.measure.significance import claim, is_excess, ms, total

RESTS_ON = ("profile", "spans")
SLOW_S = 0.25
"""A quarter of a second in calls is slow whatever a request does."""
STOPPED = 0.7
"""Confidence where the called service is known to stand still."""


def check(
    account: Account, sockets: Sockets | None = None, spans: Spans | None = None, services: Services | None = None
) -> Finding | Clear:
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
    called = (peer,) if peer else tuple(one for one in peers.values() if one.kind == "http")
    stopped = stopped_behind(services, {top.service, *(one.name for one in called)})
    if stopped is not None:
        measured += f"; {stops(stopped)}"
    traced = spans is not None and "spans" in top.evidence
    return Finding(
        title=f"{top.place} is slow" if traced else f"{top.place}: the called service is slow",
        because=f"{measured}; {ms(total((top,)))} of it in {top.place}{_way(spans, top) if spans and traced else ''}",
        place=top.place,
        claims=claim(account, lines),
        confidence=max(_confidence(account, lines, traced=traced), STOPPED if stopped else 0.0),
        next_steps=(
            *((free_it(stopped),) if stopped else ()),
            f"diagnose {top.service} in the same way, where it runs: unslow diagnose URL-OF-THE-OPERATION"
            if traced
            else f"diagnose the called service in the same way: unslow diagnose {_where(top, peer, services)}",
            "meanwhile give the call a timeout below the caller's own, or answer without it",
        ),
        fixes=("set_timeout",),
        evidence=(*(top.evidence if traced else ("profile", "sockets.peers")), *(("services",) if stopped else ())),
    )


def _where(line: Line, peer: Peer | None, services: Services | None) -> str:
    """As `unslow diagnose` takes it."""
    for one in services.services if services and peer else ():
        if peer and one.name == peer.name:
            return f"svc/{one.name} -n {one.namespace}"
    return f"http://{line.detail or 'ITS-ADDRESS'}/"


def _confidence(account: Account, lines: Sequence[Line], *, traced: bool) -> float:
    """Without a reference this may be its normal time, and then a queue is not its consequence."""
    if account.has_reference:
        return 0.85 if traced else 0.7
    return 0.65 if total(lines) >= SLOW_S else 0.55


def _way(spans: Spans, line: Line) -> str:
    """By whom the target reaches the service, when it is not called directly."""
    called_by = {call.callee: call.caller for call in reversed(spans.calls)}
    way = [line.service]
    while way[-1] in called_by and called_by[way[-1]] not in way:
        way.append(called_by[way[-1]])
    if way[-1] != spans.service or len(way) < 3:
        return ""
    return f", which is reached by way of {', '.join(reversed(way[1:-1]))}; {spans.traces} traces"
