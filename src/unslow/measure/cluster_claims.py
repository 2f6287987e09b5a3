"""Which milliseconds a cause in the cluster may call its own: only those that lines of the account hold.

Most causes in a cluster are about capacity: too few pods, cores or packets get through, and requests wait.
They claim the waiting where it was measured; where it was not, they stand without milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from unslow.finding import Claim
from unslow.measure.account import Account, Line
from unslow.measure.cluster_pods import Outlier
from unslow.measure.significance import claim, floor_s, is_excess, ms, total

WAITING = ("queue", "cpu throttled")
"""Kinds of line that more pods make shorter. Waiting for a core is not among them: pods bring no cores along."""
NETWORK = ("network",)
ELSEWHERE = ("db query", "db lock wait", "db pool wait", "downstream", "cache", "retry")
"""Kinds of line that more pods do not make shorter, and often longer."""
MOSTLY = 0.5


class Behind(msgspec.Struct, frozen=True, kw_only=True):
    """The milliseconds behind a cause, and how to say them."""

    claims: tuple[Claim, ...] = ()
    words: str

    def surer(self, with_ms: float, without: float) -> float:
        """Confidence: one with measured milliseconds, another with a stated reason alone."""
        return with_ms if self.claims else without


def behind(account: Account | None, *kinds: str, normal: bool = False) -> Behind:
    """Excess of lines of these kinds, when there is enough of it to be named."""
    return behind_lines(account, account.of_kind(*kinds) if account else (), normal=normal)


def behind_lines(account: Account | None, lines: Iterable[Line], *, normal: bool = False) -> Behind:
    chosen = tuple(lines)
    if account is None or not chosen:
        return Behind(words="no milliseconds were measured for it")
    said = f"{ms(total(chosen))} a request of {', '.join(sorted({line.kind for line in chosen}))}"
    if not is_excess(account, chosen, normal=normal):
        return Behind(words=f"only {said}")
    return Behind(claims=claim(account, chosen), words=said)


def spread(account: Account | None, seconds: float, *kinds: str) -> tuple[Claim, ...]:
    """`seconds` of a mean request, claimed of these kinds of line (none: of all) in proportion to their excess.

    For a cause that lengthens whatever a request does, such as one slow pod or lost packets.
    """
    if account is None or seconds <= 0:
        return ()
    lines = account.of_kind(*kinds) if kinds else account.lines
    grown = [line for line in lines if line.excess_s > 0]
    whole = total(grown)
    if whole <= 0:
        return ()
    part = min(1.0, seconds / whole)
    return tuple(Claim(line=line.id, ms=line.excess_s * part * 1e3) for line in grown)


def claims_of(account: Account | None, slow: Outlier, looked_into: str) -> tuple[Claim, ...]:
    """Its own line where there is one, and for the rest its share of whatever its requests did."""
    cost_s = slow.cost_in(looked_into)
    if account is None or cost_s < floor_s(account, normal=False):
        return ()
    own = account.of_kind("slow pod")
    others = sorted({line.kind for line in account.lines} - {"slow pod"})
    rest = spread(account, cost_s - total(own), *others) if others else ()
    return (*claim(account, own), *rest)


def is_dark(account: Account | None) -> bool:
    """Whether most of the time was not looked into: then a line that is missing proves nothing."""
    return account is None or account.unexplained_s > MOSTLY * account.excess_s


def bound_elsewhere(account: Account | None) -> str:
    """What holds most of the excess that more pods would not cure, in words; empty when nothing does."""
    if account is None or account.excess_s <= 0:
        return ""
    lines = [line for line in account.of_kind(*ELSEWHERE) if line.excess_s > 0]
    if total(lines) < MOSTLY * account.excess_s or not is_excess(account, lines, normal=True):
        return ""
    top = max(lines, key=lambda line: line.excess_s)
    return f"{ms(total(lines))} a request are {top.kind}: more pods do not shorten that, and load it more"
