"""Names are looked up slowly inside the cluster: the resolver's settings, or its servers.

Signature   look-ups of the pod are slow or fail, against what CoreDNS itself takes, errs and is throttled
Look-alike  dns_slow: the same wait outside a cluster; slow names that the application never looks up
Blind to    applications that look up once and keep the address
Reference   ndots:5 tries every search domain first; a lost UDP question costs 5 s
"""

from __future__ import annotations

from unslow.evidence.cluster import Dns, Lookup
from unslow.finding import Clear, Finding
from unslow.measure.account import Account, Line
from unslow.measure.cluster_claims import MOSTLY, Behind, behind_lines
from unslow.measure.in_app import FIXED_PLACE
from unslow.measure.significance import claim, floor_s, ms, total

SLOW_S = 0.050
LOST_S = 4.5
"""A resolver waits 5 s before it asks again."""
MULTIPLIED = 4
ERRORS = 0.01
THROTTLED = 0.05
CONNECTING = "looking up the server's name"


def check(dns: Dns, account: Account | None = None) -> Finding | Clear:
    slow = [one for one in dns.lookups if _is_slow(one)]
    server = _server(dns)
    lines = [
        line
        for line in (account.of_kind("network") if account else ())
        if line.place in {FIXED_PLACE["dns"], CONNECTING}
    ]
    waiting = _claimed(account, lines)
    if not slow and not server and not waiting.claims:
        return Clear(_quiet(dns))
    others = len(dns.lookups) - len(slow)
    one_name = f"; {others} other names are quick" if slow and others else ""
    said = [*(_words(one) for one in slow[:3]), *server] or [
        _quiet(dns) + ", so questions or answers are lost on the way"
    ]
    return Finding(
        title=_title(slow, server),
        because=f"{'; '.join(said)}{one_name}{_multiplied(dns, slow)}; {waiting.words}",
        place=f"DNS: {slow[0].name}" if slow else "CoreDNS" if server else "DNS, on the way to CoreDNS",
        claims=waiting.claims,
        confidence=waiting.surer(0.97, 0.7 if slow else 0.5),
        next_steps=_next_steps(dns, slow, server),
        fixes=("keep_connections",),
        evidence=("dns",),
    )


def _claimed(account: Account | None, lines: list[Line]) -> Behind:
    """Lost questions cost seconds, and few requests: the mean of such times is as uncertain as it is large. Where
    look-ups are most of what was looked into, that is sure all the same."""
    waiting = behind_lines(account, lines)
    if account is None or waiting.claims:
        return waiting
    looked_into = sum(max(0.0, line.excess_s) for line in account.lines)
    if total(lines) < floor_s(account, normal=False) or total(lines) < MOSTLY * looked_into:
        return waiting
    said = f"{ms(total(lines))} a request in look-ups, most of what was looked into, in few and very slow ones"
    return Behind(claims=claim(account, lines), words=said)


def _title(slow: list[Lookup], server: list[str]) -> str:
    if slow:
        return f"looking up {slow[0].name} is slow"
    return "the cluster's DNS servers are in trouble" if server else "looking up names is slow, and not in CoreDNS"


def _mean_s(one: Lookup) -> float:
    return sum(one.times_s) / len(one.times_s) if one.times_s else 0.0


def _is_slow(one: Lookup) -> bool:
    return one.failures > 0 or _mean_s(one) >= SLOW_S or any(time >= LOST_S for time in one.times_s)


def _words(one: Lookup) -> str:
    failed = f", {one.failures} failed" if one.failures else ""
    lost = sum(time >= LOST_S for time in one.times_s)
    steps = f", {lost} of them with a lost question (5 s)" if lost else ""
    return f"{one.name} takes {_mean_s(one) * 1e3:.1f} ms over {len(one.times_s)} look-ups{steps}{failed}"


def _server(dns: Dns) -> list[str]:
    """What CoreDNS' own figures hold against it."""
    words = []
    if (dns.server_throttled_ratio or 0.0) >= THROTTLED:
        words.append(f"CoreDNS is throttled in {dns.server_throttled_ratio or 0.0:.0%} of its periods")
    if (dns.server_error_ratio or 0.0) >= ERRORS:
        words.append(f"{dns.server_error_ratio or 0.0:.1%} of its answers are SERVFAIL")
    if (dns.server_mean_s or 0.0) >= SLOW_S:
        words.append(f"CoreDNS takes {(dns.server_mean_s or 0.0) * 1e3:.1f} ms an answer")
    if dns.server_ready is not None and dns.server_pods and dns.server_ready * 2 <= dns.server_pods:
        words.append(f"{dns.server_ready} of {dns.server_pods} CoreDNS pods are ready")
    return words


def _multiplied(dns: Dns, slow: list[Lookup]) -> str:
    asked = max((one.queries or 0 for one in slow), default=0)
    if asked < MULTIPLIED:
        return ""
    return f"; one look-up is {asked} questions (ndots:{dns.ndots}, {dns.search_domains} search domains)"


def _quiet(dns: Dns) -> str:
    timed = [_mean_s(one) * 1e3 for one in dns.lookups]
    if timed:
        return f"{len(timed)} names take at most {max(timed):.1f} ms"
    if dns.server_mean_s is not None:
        return f"CoreDNS takes {dns.server_mean_s * 1e3:.1f} ms an answer"
    return "0 names timed"


def _next_steps(dns: Dns, slow: list[Lookup], server: list[str]) -> tuple[str, ...]:
    steps = []
    if not slow and not server:
        steps.append(
            "see where the questions are lost: capture port 53 at the pod and at CoreDNS, and conntrack -S on both nodes"
        )
    if server:
        steps.append("give CoreDNS more CPU or replicas, or a node-local cache")
    if slow:
        steps.append(f"ask each server for {slow[0].name} from the pod: dig +tries=1 {slow[0].name}. @SERVER")
    if _multiplied(dns, slow):
        steps.append("write the name with a dot at its end, or set dnsConfig ndots to 2")
    steps.append("keep connections open so that names are looked up rarely")
    return tuple(steps)
