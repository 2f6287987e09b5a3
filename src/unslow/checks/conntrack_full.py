"""The node's connection table is full, so new connections are dropped.

Signature   entries near the maximum, or insertions that failed
Look-alike  network_retransmits: established connections lose packets too; conntrack drops by a race of two DNS questions
Blind to    nodes whose plugin keeps a table of its own
Reference   nf_conntrack_count, nf_conntrack_max; a dropped SYN is sent again after 1 s
"""

from __future__ import annotations

from unslow.evidence.cluster import Network, NodeNetwork
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.cluster_claims import behind_lines
from unslow.measure.cluster_network import NEARLY_FULL, conntrack_ratio
from unslow.measure.in_app import FIXED_PLACE

MANY_DROPS = 10
OPENING = {FIXED_PLACE["connect"], FIXED_PLACE["dns"], "connecting to the server", "looking up the server's name"}


def check(network: Network, account: Account | None = None) -> Finding | Clear | Skipped:
    counted = [(part, ratio) for part in network.parts if (ratio := conntrack_ratio(part)) is not None]
    if not counted:
        return Skipped(
            "the nodes' connection tables", "run node-exporter with its conntrack collector, or --allow node"
        )
    part, ratio = max(counted, key=lambda one: (one[0].conntrack_drops or 0, one[1], one[0].name))
    measured = (
        f"{part.scope} {part.name}: {part.conntrack_count} of {part.conntrack_max} entries ({ratio:.0%}){_drops(part)}"
    )
    full = ratio >= NEARLY_FULL
    if not full:
        return Clear(measured)
    lines = [line for line in (account.of_kind("network") if account else ()) if line.place in OPENING]
    waiting = behind_lines(account, lines)
    dropping = (part.conntrack_drops or 0) >= MANY_DROPS
    return Finding(
        title="the node's connection table is full",
        because=f"{measured}: a new connection that finds no room waits 1 s and tries again; {waiting.words}",
        place=f"{part.scope} {part.name}",
        claims=waiting.claims if dropping else (),
        confidence=0.9 if dropping and waiting.claims else 0.7 if dropping else 0.35,
        next_steps=(
            f"raise net.netfilter.nf_conntrack_max on {part.name}, and find who opens so many: conntrack -S, conntrack -L",
            "keep connections open instead of opening one a request",
        ),
        fixes=("raise_conntrack_max", "keep_connections"),
        evidence=("network",),
    )


def _drops(part: NodeNetwork) -> str:
    return f", {part.conntrack_drops} dropped" if part.conntrack_drops else ""
