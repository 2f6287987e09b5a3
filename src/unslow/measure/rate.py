"""How many requests a second the application serves: all callers, all routes."""

from __future__ import annotations

from unslow.evidence import Evidence


def request_rate_per_s(evidence: Evidence) -> float | None:
    """The application's own count where it can be trusted, else the kernel's; None when neither is there."""
    timers = evidence.timers
    if timers and timers.resets == 0 and evidence.window.seconds > 0:
        count = sum(timer.count for timer in timers.routes)
        if count > 0:
            return count / evidence.window.seconds
    if evidence.sockets and evidence.sockets.requests_per_s:
        return evidence.sockets.requests_per_s
    return None
