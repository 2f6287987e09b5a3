"""The time inside the application where stacks do not tell it: no profile, or greenlets.

A sampler sees only the greenlet that runs, so its shares are shares of computing, not of waiting.
What others do for the application is known from outside, by Little's law: the busy request threads of a
called server, or the busy sessions of the database, divided by the request rate. Whatever nobody was seen
to do stays unexplained. Rates count all routes, so the lines are those of a mean request.
"""

from __future__ import annotations

from unslow.evidence import Evidence
from unslow.evidence.cpu import Cpu
from unslow.measure.downstream import served_s
from unslow.measure.part import Part
from unslow.measure.rate import request_rate_per_s

COOPERATIVE = ("gevent", "eventlet", "asyncio", "uvicorn", "tornado")
"""Worker classes in which one thread serves many requests at once."""
RELATIVE_ERROR = 0.2
"""Of a division of two readings of the same window."""


def hides_waiting(evidence: Evidence) -> bool:
    """Whether requests wait where no thread does."""
    return evidence.server is not None and any(name in evidence.server.worker_class for name in COOPERATIVE)


def computing_s(evidence: Evidence, in_request_s: float) -> float | None:
    """Seconds per request of the profile's `in_request_s` thread-seconds; None without a rate."""
    rate = request_rate_per_s(evidence)
    if not rate or evidence.profile is None or evidence.profile.seconds <= 0:
        return None
    return in_request_s / evidence.profile.seconds / rate


def called_parts(evidence: Evidence) -> tuple[Part, ...]:
    """What the called services and the database were busy with, per request."""
    rate = request_rate_per_s(evidence)
    parts = []
    for peer in evidence.sockets.peers if evidence.sockets else ():
        served = served_s(peer, rate) if peer.kind == "http" else None
        if served:
            parts.append(_part("downstream", f"calls to {peer.name}", served, "sockets.peers", peer.address))
    sessions = [wait for wait in evidence.queries.waits if wait.state == "active"] if evidence.queries else []
    for kind, place, mean in (
        ("db lock wait", "waiting for a lock in the database", sum(w.mean for w in sessions if w.wait_type == "Lock")),
        ("db query", "database", sum(w.mean for w in sessions if w.wait_type != "Lock")),
    ):
        if rate and mean:
            parts.append(_part(kind, place, mean / rate, "queries.waits"))
    return tuple(parts)


def cpu_parts(evidence: Evidence) -> tuple[Part, ...]:
    """Running and waiting for a core, from the kernel's account of the request threads."""
    rate, cpu = request_rate_per_s(evidence), evidence.cpu
    if not rate or cpu is None or cpu.seconds <= 0:
        return ()
    stopped = throttled_share(cpu)
    return (
        _part("cpu code", "all code of the workers", cpu.request_run_s / cpu.seconds / rate, "cpu"),
        *(
            _part(kind, "waiting for a core", share * cpu.request_delay_s / cpu.seconds / rate, "cpu")
            for kind, share in (("cpu throttled", stopped), ("cpu contended", 1.0 - stopped))
            if share > 0
        ),
    )


def throttled_share(cpu: Cpu) -> float:
    """Of the time in which request threads waited for a CPU, the share in which their quota kept them waiting, 0..1.

    A stop keeps at most all request threads waiting for as long as it lasts; what they waited beyond that they waited
    for a core.
    """
    if cpu.throttled_ratio < THROTTLED_RATIO:
        return 0.0
    if cpu.throttled_s <= 0 or cpu.request_delay_s <= 0:
        return 1.0
    return min(1.0, max(1, cpu.request_threads) * cpu.throttled_s / cpu.request_delay_s)


def quota_holds_lock(cpu: Cpu | None) -> bool:
    """Whether the quota's stops can be most of what request threads waited for the interpreter lock.

    A holder that is stopped keeps all of them waiting, as long as the stop lasts and no longer.
    """
    if cpu is None or cpu.throttled_ratio < THROTTLED_RATIO:
        return False
    waited_s = (cpu.gil_wait_mean or 0.0) * cpu.seconds
    if cpu.throttled_s <= 0 or waited_s <= 0:
        return True
    return max(1, cpu.request_threads) * cpu.throttled_s > 0.5 * waited_s


THROTTLED_RATIO = 0.05
"""One period in 20: a stall about every two seconds. Below it, waiting for a CPU is called contention."""


def _part(kind: str, place: str, seconds: float, evidence: str, detail: str = "") -> Part:
    return Part(
        kind=kind, place=place, seconds=seconds, se_s=RELATIVE_ERROR * seconds, evidence=(evidence,), detail=detail
    )
