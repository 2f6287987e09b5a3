"""A network policy drops connections that the target or its callers need.

Signature   a connection that was seen to fail where a policy selects the pods; or egress denied without a rule for DNS
Look-alike  policies on a cluster whose network plugin does not enforce them; a refused connection: nobody listens there
Blind to    policies of the cloud (security groups) and of the nodes
Reference   default deny without DNS breaks everything; a dropped SYN is sent again after 1, 3 and 7 s
"""

from __future__ import annotations

from unslow.evidence.cluster import Blocked, Policies
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.cluster_claims import behind


def check(policies: Policies, account: Account | None = None) -> Finding | Clear:
    if not policies.names:
        return Clear("0 policies select the pods")
    named = f"{len(policies.names)} policies select the pods ({', '.join(policies.names[:3])})"
    if policies.enforced is False:
        return Clear(f"{named}, and the network plugin does not enforce them")
    seen = [one for one in policies.blocked if one.seen]
    without_dns = policies.default_deny_egress and policies.allows_dns is False
    if not policies.blocked and not without_dns:
        return Clear(f"{named}; 0 connections were seen to be dropped")
    waiting = behind(account, "network")
    said = "; ".join(_words(one) for one in (seen or policies.blocked)[:3])
    return Finding(
        title="a network policy drops connections" if seen else "the network policies allow less than the target uses",
        because=f"{named}; {said or 'egress is denied and 0 rules let DNS (port 53) out'}"
        + (f"; {waiting.words}: a dropped connection hangs until its timeout"),
        place=seen[0].destination if seen else policies.names[0],
        claims=waiting.claims if seen else (),
        confidence=0.9 if seen and waiting.claims else 0.75 if seen else 0.35,
        next_steps=(
            "allow it: an egress rule for "
            + (
                ", ".join(sorted({one.destination for one in policies.blocked}))
                or "UDP and TCP port 53 to the cluster's DNS"
            ),
        ),
        fixes=("allow_egress",),
        evidence=("policies",),
    )


def _words(one: Blocked) -> str:
    by = f" by {one.policy}" if one.policy else ""
    return f"{one.source} to {one.destination} {'was dropped' if one.seen else 'has 0 rules that allow it'}{by}"
