"""What a load test shall send, and the limits built in: an option may lower them, nothing raises them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from unslow.errors import BadUsage
from unslow.http_request import HttpRequest, http_request

MOST_PER_S = 20_000.0
LONGEST_S = 3600.0
LONGEST_TIMEOUT_S = 120.0
MOST_CONNECTIONS = 2000
LARGEST_BODY = 1024 * 1024

Arrivals = Literal["uniform", "poisson"]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, where and how often."""

    url: str
    rate_per_s: float
    duration_s: float
    arrivals: Arrivals = "uniform"
    timeout_s: float = 10.0
    """From the moment a request is due."""
    method: str = "GET"
    headers: Mapping[str, str] = {}
    body: bytes = b""
    allow_hosts: tuple[str, ...] = ()
    """Hosts outside this machine and private networks that may be loaded."""
    connections: int = MOST_CONNECTIONS
    """Open at once, at most."""
    seed: int = 1
    """Of Poisson arrivals: the same seed gives the same moments."""


def checked(plan: Plan) -> HttpRequest:
    """The request of a plan. Raises `BadUsage` when the plan is beyond the limits built in."""
    for value, most, what in (
        (plan.rate_per_s, MOST_PER_S, "requests a second"),
        (plan.duration_s, LONGEST_S, "seconds"),
        (plan.timeout_s, LONGEST_TIMEOUT_S, "seconds of time-out"),
        (plan.connections, MOST_CONNECTIONS, "connections"),
    ):
        if not 0 < value <= most:
            raise BadUsage(
                f"{value:g} {what}: a load test takes more than 0 and at most {most:g}", "choose within that"
            )
    if len(plan.body) > LARGEST_BODY:
        raise BadUsage(f"a body of {len(plan.body)} bytes: at most {LARGEST_BODY}", "send a smaller one")
    if plan.rate_per_s * plan.duration_s < 1:
        raise BadUsage("not one request would be sent", "choose a longer --duration")
    return http_request(
        plan.url,
        method=plan.method,
        headers={**plan.headers, "X-Load-Test": "unslow"},
        body=plan.body,
        product="unslow-loadtest",
    )
