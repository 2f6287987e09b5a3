"""A caller gives up before the called side does, so work is done for nobody.

Signature   a proxy's read timeout below the worker's timeout, and answers near or beyond it
Look-alike  slow causes alone: the order is right and the answers are late
Blind to    timeouts set in the application's code
Reference   order timeouts so that each caller waits longer than what it calls
"""

from __future__ import annotations

from unslow.evidence.requests import Requests
from unslow.evidence.servers import Server
from unslow.finding import Clear, Finding

NEAR = 0.9
"""An answer within a tenth of the timeout counts as near it."""
GATEWAY_ERRORS = frozenset({502, 504})


def check(server: Server, requests: Requests) -> Finding | Clear:
    misordered = [
        proxy
        for proxy in server.proxies
        if proxy.read_timeout_s and server.timeout_s and proxy.read_timeout_s < server.timeout_s
    ]
    if not misordered:
        return Clear(
            f"{len(server.proxies)} proxies wait at least as long as the workers' {server.timeout_s or 0:.0f} s"
        )
    proxy = misordered[0]
    limit_s = proxy.read_timeout_s or 0.0
    measured = f"{proxy.name} gives up after {limit_s:.0f} s, a worker only after {server.timeout_s:.0f} s"
    slowest_s = max(requests.total_s, default=0.0)
    errors = sum(status in GATEWAY_ERRORS for status in requests.status)
    if slowest_s < NEAR * limit_s and not errors:
        return Clear(f"{measured}; the slowest answer took {slowest_s:.2f} s, so none met it")
    return Finding(
        title=f"{proxy.name} gives up before the workers do",
        because=f"{measured}; slowest answer {slowest_s:.2f} s, {errors} gateway errors of {len(requests.status)}",
        place=f"{proxy.name} on port {proxy.port}",
        confidence=0.8,
        next_steps=(
            f"set the workers' timeout below {limit_s:.0f} s, or the proxy's read timeout above {server.timeout_s:.0f} s",
        ),
        fixes=("order_timeouts",),
        evidence=("server.timeouts", "requests.mean"),
    )
