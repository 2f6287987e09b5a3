"""Which requests were answered, and how: the time of a refusal or an error is no response time of a working service."""

from __future__ import annotations

from collections import Counter
from itertools import compress

import msgspec

from unslow.evidence.requests import GIVEN_UP, Requests

TIMED_OUT = 0.9
"""Of the time-out: a request without an answer that waited this long was given up by us."""
MOSTLY = 0.5
NO_ANSWER = "no answer: refused or cut off"


class Failures(msgspec.Struct, frozen=True):
    """Requests that were not answered, or answered with an error."""

    failed: int
    of: int
    how: str
    """`status 503`, or how else; the commonest first."""

    @property
    def are_most(self) -> bool:
        return self.failed > MOSTLY * self.of

    @property
    def words(self) -> str:
        return f"{self.failed} of {self.of} requests failed ({self.how})"


def answered(requests: Requests | None) -> Requests | None:
    """Without those that were refused or cut off; None when no other is left. A request given up by us stays: it is a lower bound."""
    if requests is None:
        return None
    kept = [status > 0 or _given_up(requests, status, total) for status, total in _rows(requests)]
    if all(kept):
        return requests
    if not any(kept):
        return None
    lists = ("due_s", "wait_s", "dns_s", "connect_s", "tls_s", "first_byte_s", "body_s", "status")
    return msgspec.structs.replace(requests, **{name: tuple(compress(getattr(requests, name), kept)) for name in lists})


def failures(requests: Requests | None) -> Failures | None:
    """None when none failed; a redirect and a request given up by us are no failures."""
    if requests is None:
        return None
    hows = Counter(
        f"status {status}" if status else NO_ANSWER
        for status, total in _rows(requests)
        if status >= 400 or (status == 0 and not _given_up(requests, status, total))
    )
    if not hows:
        return None
    return Failures(sum(hows.values()), len(requests.status), ", ".join(how for how, _ in hows.most_common()))


def unanswered(requests: Requests | None) -> int:
    """Requests that we gave up: their times are lower bounds."""
    if requests is None:
        return 0
    return sum(_given_up(requests, status, total) for status, total in _rows(requests))


def _rows(requests: Requests) -> zip[tuple[int, float]]:
    return zip(requests.status, requests.total_s, strict=True)


def _given_up(requests: Requests, status: int, total_s: float) -> bool:
    return status == GIVEN_UP or (status == 0 and total_s >= TIMED_OUT * requests.timeout_s)
