"""A network policy drops connections that the target or its callers need.

Signature   a connection that was seen to fail where a policy selects the pods; or egress denied without a rule for DNS
Look-alike  policies on a cluster whose network plugin does not enforce them; a refused connection: nobody listens there
Blind to    policies of the cloud (security groups) and of the nodes
Reference   default deny without DNS breaks everything; a dropped SYN is sent again after 1, 3 and 7 s
"""

from __future__ import annotations

from unslow.evidence.cluster import Blocked, Dns, Policies
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.cluster_claims import behind

NAMES = "the cluster's DNS (UDP and TCP port 53)"


def check(policies: Policies, dns: Dns | None = None, account: Account | None = None) -> Finding | Clear:
    if not policies.names and not policies.blocked:
        return Clear("0 policies select the pods")
    listed = f" ({', '.join(policies.names[:3])})" if policies.names else " in Kubernetes' own API"
    named = f"{len(policies.names)} policies select the pods{listed}"
    if policies.enforced is False:
        return Clear(f"{named}, and the network plugin does not enforce them")
    answered, failed = _lookups(dns)
    without_dns = policies.allows_dns is False
    if without_dns and answered:
        named = f"{named} without a rule for DNS, yet {answered} look-ups from the pod were answered"
    blocked = (
        *policies.blocked,
        *([_names(failed > 0 and _only_rules(policies, dns))] if without_dns and not answered else []),
    )
    seen = [one for one in blocked if one.seen]
    if not blocked:
        return Clear(f"{named}; 0 connections were seen to be dropped")
    waiting = behind(account, "network")
    said = "; ".join(_words(one) for one in (seen or blocked)[:3])
    return Finding(
        title="a network policy drops connections" if seen else "the network policies allow less than the target uses",
        because=f"{named}; {said}; {waiting.words}: a dropped connection hangs until its timeout",
        place=seen[0].destination if seen else blocked[0].destination if not policies.names else policies.names[0],
        claims=waiting.claims if seen else (),
        confidence=0.9 if seen and waiting.claims else 0.75 if seen else 0.35,
        next_steps=(f"allow it: an egress rule for {', '.join(sorted({one.destination for one in blocked}))}",),
        fixes=("allow_egress",),
        evidence=("policies", "dns") if any(one.destination == NAMES for one in seen) else ("policies",),
    )


def _lookups(dns: Dns | None) -> tuple[int, int]:
    """From inside the pod: how many were answered, and how many failed."""
    looked = dns.lookups if dns else ()
    return sum(len(one.times_s) for one in looked), sum(one.failures for one in looked)


def _only_rules(policies: Policies, dns: Dns | None) -> bool:
    """Whether nothing else is known that would make every look-up fail."""
    return policies.enforced is True and (dns is None or dns.server_ready != 0)


def _names(seen: bool) -> Blocked:
    return Blocked(source="the pods", destination=NAMES, seen=seen)


def _words(one: Blocked) -> str:
    by = f" by {one.policy}" if one.policy else ""
    return f"{one.source} to {one.destination} {'was dropped' if one.seen else 'has 0 rules that allow it'}{by}"
