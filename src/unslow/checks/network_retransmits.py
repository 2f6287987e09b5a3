"""Packets are lost and sent again, and requests wait for the timeout.

Signature   one segment in a hundred or more is retransmitted, at a node or in a pod of the target
Look-alike  network_slow: a long way without loss; a handful of retransmits among few segments
Blind to    loss between callers and the load balancer outside
Reference   TcpRetransSegs over TcpOutSegs; a timeout costs at least 200 ms, a lost SYN 1 s
"""

from __future__ import annotations

from unslow.evidence.cluster import Cni, Network, NodeNetwork
from unslow.evidence.window import Window
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.cluster_claims import Behind, behind, spread
from unslow.measure.cluster_network import loses_packets, retransmitted_ratio, timeout_s_per_request
from unslow.measure.significance import floor_s, ms

TOUCHED = ("network", "queue", "db query", "downstream", "cache", "client", "db pool wait", "retry")
"""Kinds of line in which a lost packet can hide."""


def check(network: Network, window: Window, cni: Cni | None = None, account: Account | None = None) -> Finding | Clear:
    lossy = [part for part in network.parts if loses_packets(part)]
    known = [(part, ratio) for part in network.parts if (ratio := retransmitted_ratio(part)) is not None]
    worst = max(known, key=lambda one: (one[1], one[0].name), default=None)
    if not lossy or worst is None:
        return Clear(_words(worst[0], worst[1]) if worst else f"{len(network.parts)} counters, too few segments to say")
    waiting = _waiting(network, window, account)
    part, ratio = worst
    return Finding(
        title="packets are lost and sent again",
        because=f"{_words(part, ratio)}{_more(part)}; {len(lossy)} of {len(network.parts)} places lose packets; {waiting.words}",
        place=f"{part.scope} {part.name}",
        claims=waiting.claims,
        confidence=waiting.surer(0.9, 0.65),
        next_steps=_next_steps(part, cni, waiting),
        fixes=(),
        evidence=("network",),
    )


def _waiting(network: Network, window: Window, account: Account | None) -> Behind:
    requests = account.rate_per_s * window.seconds if account and account.rate_per_s else 0.0
    cost_s = timeout_s_per_request(network.parts, requests)
    if account and cost_s is not None and cost_s >= floor_s(account, normal=False):
        claims = spread(account, cost_s, *TOUCHED)
        if claims:
            return Behind(claims=claims, words=f"retransmission timeouts cost at least {ms(cost_s)} a request")
    return behind(account, "network")


def _words(part: NodeNetwork, ratio: float) -> str:
    return f"{part.scope} {part.name}: {ratio:.2%} of {part.segments_out} segments sent again"


def _more(part: NodeNetwork) -> str:
    more = []
    if part.timeouts:
        more.append(f"{part.timeouts} timeouts")
    if part.drops:
        more.append(f"{part.drops} packets dropped at its interfaces")
    if part.allowance_exceeded:
        more.append(f"{part.allowance_exceeded} packets beyond the instance's allowance")
    return "".join(f", {words}" for words in more)


def _next_steps(part: NodeNetwork, cni: Cni | None, waiting: Behind) -> tuple[str, ...]:
    steps = ["capture on both ends and compare: the packets of a slow request, headers only"]
    if part.drops:
        steps.append(f"see which interface and rule drops on {part.name}: ip -s link, iptables -L -v -n, nstat")
    if waiting.claims and part.allowance_exceeded:
        steps.append(f"a larger instance has a larger network allowance: {waiting.words}")
    if waiting.claims and cni and cni.kind:
        steps.append(f"only then look at the network plugin ({cni.kind} {cni.version}): replacing it is a migration")
    return tuple(steps)
