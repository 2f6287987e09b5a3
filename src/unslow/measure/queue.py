"""Waiting before the application, by Little's law: queue length / arrival rate.

Sync workers leave waiting connections in the accept queue; gthread accepts at once and leaves
unread bytes in sockets. Both are counted, each connection once.
"""

from __future__ import annotations

from math import sqrt

from unslow.evidence import Evidence
from unslow.measure.part import Part
from unslow.measure.rate import request_rate_per_s


def queue_part(evidence: Evidence, total_s: float) -> Part | None:
    """Mean wait of one request before a worker reads it; None when the port could not be read."""
    sockets, cpu = evidence.sockets, evidence.cpu
    if sockets is None or sockets.readings == 0:
        return None
    waiting = sockets.accept_queue_mean + sockets.unread_mean
    rate = request_rate_per_s(evidence)
    if rate:
        # No request can have waited longer than the whole of its time.
        seconds = min(waiting / rate, total_s)
    elif cpu and cpu.busy_mean:
        # Without a rate the same law gives the proportion of waiting to being served.
        seconds = total_s * waiting / (waiting + cpu.busy_mean)
    else:
        return None
    return Part(
        kind="queue",
        place="waiting for a free worker",
        seconds=seconds,
        # A queue's length is strongly correlated in time: about one independent reading in ten.
        se_s=seconds * sqrt(10 / sockets.readings),
        evidence=("sockets.queue",),
    )
