"""Packets are lost and sent again, and requests wait for the timeout.

Signature   one segment in a hundred or more is retransmitted, or one per fifty requests on the target's own connections
Look-alike  network_slow: a long way without loss; a handful of retransmits among few segments
Blind to    loss between callers and the load balancer outside
Reference   TcpRetransSegs over TcpOutSegs; a timeout costs at least 200 ms, a lost SYN 1 s
"""

from __future__ import annotations

from unslow.evidence.cluster import Cni, Network, NodeNetwork, Pods
from unslow.evidence.packets import Packets
from unslow.evidence.sockets import Peer, Sockets
from unslow.evidence.window import Window
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.cluster_claims import Behind, behind, spread
from unslow.measure.cluster_network import (
    LEAST,
    PER_REQUEST,
    RTO_S,
    SYN_RTO_S,
    loses_packets,
    makes_requests_wait,
    retransmitted_ratio,
    timeout_s_per_request,
)
from unslow.measure.significance import floor_s, ms

TOUCHED = ("network", "queue", "db query", "downstream", "cache", "client", "db pool wait", "retry")
"""Kinds of line in which a lost packet can hide."""


def check(
    window: Window,
    network: Network | None = None,
    pods: Pods | None = None,
    packets: Packets | None = None,
    sockets: Sockets | None = None,
    cni: Cni | None = None,
    account: Account | None = None,
) -> Finding | Clear | Skipped:
    parts = (*_measured(network), *_of_pod(pods, packets))
    of_nodes = _by_counters(parts, network, window, cni, account) if parts else None
    if isinstance(of_nodes, Finding):
        return of_nodes
    if sockets is None:
        # A node counts the connections of its own network namespace, not those of the pods: it clears nobody.
        return of_nodes if of_nodes and any(part.scope == "pod" for part in parts) else Skipped("sockets")
    return _by_connections(sockets, window, cni, account)


def _of_pod(pods: Pods | None, packets: Packets | None) -> tuple[NodeNetwork, ...]:
    """Counters of the namespace of the pod that was looked into; a machine's would be everybody's."""
    own = next((pod for pod in pods.live if pod.name == pods.looked_into), None) if pods else None
    if own is None or own.host_network or packets is None:
        return ()
    return (
        NodeNetwork(
            name=own.name,
            scope="pod",
            segments_out=packets.segments_out,
            retransmitted=packets.retransmitted,
            timeouts=packets.timeouts,
            opening_retransmitted=packets.opening_retransmitted,
        ),
    )


def _by_connections(sockets: Sockets, window: Window, cni: Cni | None, account: Account | None) -> Finding | Clear:
    """The kernel's own count on the target's connections: whose packets they were is certain, what each cost is not."""
    lossy = [peer for peer in sockets.peers if peer.retransmits_per_s > 0]
    per_s = sockets.retransmits_per_s + sum(peer.retransmits_per_s for peer in lossy)
    rate = (account.rate_per_s if account else None) or sockets.requests_per_s
    measured = f"{per_s * window.seconds:.0f} packets sent again on the target's connections in {window.seconds:.0f} s"
    if not rate or per_s / rate < PER_REQUEST or per_s * window.seconds < LEAST:
        return Clear(measured)
    worst = max(lossy, key=lambda peer: peer.retransmits_per_s, default=None)
    to_callers = worst is None or sockets.retransmits_per_s >= worst.retransmits_per_s
    where = "its callers" if to_callers or worst is None else worst.name
    each_s = SYN_RTO_S if worst and not to_callers and _opens_anew(worst, rate) else RTO_S
    cost_s = per_s / rate * each_s
    claims = spread(account, cost_s, *TOUCHED) if account and cost_s >= floor_s(account, normal=False) else ()
    return Finding(
        title=f"packets between the target and {where} are lost and sent again",
        because=(f"{measured}, {per_s / rate:.2f} a request; {_price(each_s)} that is {ms(cost_s)} a request"),
        place=f"between the target and {where}",
        claims=claims,
        confidence=0.8 if claims else 0.55,
        next_steps=(
            "capture on both ends and compare: the packets of a slow request, headers only",
            *_plugin(cni, bool(claims)),
        ),
        fixes=(),
        evidence=("sockets.peers",) if lossy else (),
    )


def _opens_anew(peer: Peer, requests_per_s: float) -> bool:
    """Whether about every request opens a connection there."""
    return (peer.opened_per_s or 0.0) >= 0.5 * requests_per_s


def _price(each_s: float) -> str:
    if each_s == SYN_RTO_S:
        return f"a lost packet of a new connection costs {ms(each_s)}:"
    return f"at the shortest timeout of {ms(each_s)}"


def _measured(network: Network | None) -> tuple[NodeNetwork, ...]:
    return network.parts if network else ()


def _by_counters(
    parts: tuple[NodeNetwork, ...],
    network: Network | None,
    window: Window,
    cni: Cni | None,
    account: Account | None,
) -> Finding | Clear:
    requests = account.rate_per_s * window.seconds if account and account.rate_per_s else 0.0
    lossy = [part for part in parts if loses_packets(part) or makes_requests_wait(part, requests)]
    known = [(part, ratio) for part in (lossy or parts) if (ratio := retransmitted_ratio(part)) is not None]
    worst = max(known, key=lambda one: (one[1], one[0].name), default=None)
    if not lossy or worst is None:
        return Clear(_words(worst[0], worst[1]) if worst else f"{len(parts)} counters, too few segments to say")
    waiting = _waiting(parts, requests, account)
    part, ratio = worst
    return Finding(
        title="packets are lost and sent again",
        because=f"{_words(part, ratio)}{_more(part)}; {len(lossy)} of {len(parts)} places lose packets; {waiting.words}",
        place=f"{part.scope} {part.name}",
        claims=waiting.claims,
        confidence=waiting.surer(0.9, 0.65),
        next_steps=_next_steps(part, cni, waiting),
        fixes=(),
        evidence=("network",) if part in _measured(network) else ("packets",),
    )


def _waiting(parts: tuple[NodeNetwork, ...], requests: float, account: Account | None) -> Behind:
    cost_s = timeout_s_per_request(parts, requests)
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
    return (*steps, *_plugin(cni, bool(waiting.claims)))


def _plugin(cni: Cni | None, has_ms: bool) -> tuple[str, ...]:
    if cni is None or not has_ms:
        return ()
    known = " ".join(word for word in (cni.kind, cni.version) if word)
    named = f" ({known})" if known else ""
    return (f"only then look at the network plugin{named}: replacing it is a migration",)
