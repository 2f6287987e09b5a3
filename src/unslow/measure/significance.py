"""When a line is large enough to be called a cause.

Against a reference a line must have grown; without one, kinds that are about nothing in a healthy
service count whole, and kinds that every service has must dominate before they are named.
"""

from __future__ import annotations

from collections.abc import Iterable

from unslow.finding import Claim
from unslow.measure.account import Account, Line

GROWN_S = 0.005
"""Growth below 5 ms is within what a busy machine does to any line."""
GROWN_RATIO = 0.10
"""And below a tenth of the response time nobody would act on it."""
ABNORMAL_S = 0.010
"""Without a reference, for a kind whose normal value is about nothing."""
ABNORMAL_RATIO = 0.15
DOMINANT_S = 0.025
"""Without a reference, for a kind that every service has: below 25 ms a caller hardly notices."""
DOMINANT_RATIO = 0.30
HOLDER_S = 0.1
"""Behind a long queue, for a kind that every service has: what takes a tenth of a second is slow, not merely busy."""
STANDARD_ERRORS = 2.0


def floor_s(account: Account, *, normal: bool) -> float:
    """The smallest excess in seconds that is worth naming.

    `normal`: the kind has a value in every healthy service (a query, a call, code), so without a
    reference it must dominate.
    """
    if account.has_reference:
        return max(GROWN_S, GROWN_RATIO * account.now.mean_s)
    # A queue multiplies whatever holds the workers: behind a long one the holder must still be seen.
    served_s = max(0.0, account.now.mean_s - total(account.of_kind("queue")))
    if normal:
        dominant_s = max(DOMINANT_S, DOMINANT_RATIO * account.now.mean_s)
        return min(dominant_s, max(HOLDER_S, DOMINANT_RATIO * max(served_s, account.in_app.mean_s)))
    return max(ABNORMAL_S, ABNORMAL_RATIO * served_s)


def is_excess(account: Account, lines: Iterable[Line], *, normal: bool) -> bool:
    """Whether these lines together are worth naming and beyond their sampling error."""
    chosen = tuple(lines)
    excess = sum(line.excess_s for line in chosen)
    error = sum(line.se_s**2 for line in chosen) ** 0.5
    if excess < STANDARD_ERRORS * error:
        return False
    if normal and not account.has_reference and excess >= DOMINANT_S:
        # Large enough by itself; whether it dominates is asked with the waiting that comes with it.
        return sum(claim.ms for claim in claim(account, chosen)) / 1e3 >= floor_s(account, normal=True)
    return excess >= floor_s(account, normal=normal)


def claim(account: Account, lines: Iterable[Line]) -> tuple[Claim, ...]:
    """Everything that these lines have grown by, and their share of the waiting on the way.

    A thread that has to be woken for each of a cause's round trips, or computes for it, queues for a
    core and for the interpreter lock because of that cause: without it those waits would be gone too.
    """
    grown = [line for line in lines if line.excess_s > 0]
    claims = [Claim(line=line.id, ms=line.excess_s * 1e3) for line in grown]
    for waiting in account.of_kind("cpu contended", "gil"):
        if waiting in grown:
            continue
        kind_s = sum(max(0.0, line.excess_s) for line in account.of_kind(waiting.detail))
        mine_s = sum(line.excess_s for line in grown if line.kind == waiting.detail)
        if mine_s > 0 and waiting.excess_s > 0:
            claims.append(Claim(line=waiting.id, ms=waiting.excess_s * 1e3 * mine_s / kind_s))
    return tuple(claims)


def ms(seconds: float) -> str:
    """`12.3 ms`; the form in which every `because` states a time."""
    return f"{seconds * 1e3:.1f} ms"


def total(lines: Iterable[Line]) -> float:
    """Seconds of excess."""
    return sum(line.excess_s for line in lines)
