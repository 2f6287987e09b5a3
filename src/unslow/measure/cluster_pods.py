"""Pods against their twins: which one, or which node, zone or version of them, is slow, and what it costs the mean.

All pods of a workload run the same code on the same traffic, so each is the others' control group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import sqrt

import msgspec

from unslow.evidence.cluster import Pod

LEAST_REQUESTS = 15.0
"""Of each side; fewer say little about a mean."""
SLOWER = 1.5
"""A group counts as slow when its mean is this many times that of all others."""
SLOWER_S = 0.005
STANDARD_ERRORS = 2.0


class Outlier(msgspec.Struct, frozen=True, kw_only=True):
    """A group of pods that is slower than all others together."""

    by: str
    """pod, node, zone or version."""
    name: str
    pods: tuple[str, ...]
    mean_s: float
    others_s: float
    others: int
    """How many pods the others are."""
    share: float
    """Of the requests, 0..1."""

    @property
    def cost_s(self) -> float:
        """By how much the mean request would be shorter if these pods were like the others."""
        return self.share * (self.mean_s - self.others_s)

    def cost_in(self, looked_into: str) -> float:
        """Seconds that the slow pods cost the mean request of an account.

        `looked_into`: the one pod that the account is about, or empty when it is about all of them. A slow pod's
        own account holds all of its slowness, a healthy twin's holds none.
        """
        if not looked_into:
            return self.cost_s
        return self.mean_s - self.others_s if looked_into in self.pods else 0.0

    @property
    def ratio(self) -> float:
        return self.mean_s / self.others_s if self.others_s else float("inf")


GROUPS: tuple[tuple[str, Callable[[Pod], str]], ...] = (
    ("zone", lambda pod: pod.zone),
    ("node", lambda pod: pod.node),
    ("version", lambda pod: pod.version),
    ("pod", lambda pod: pod.name),
)
"""Widest first: where a whole zone is slow, one of its pods is not the news."""


def outlier(pods: Iterable[Pod], *by: str) -> Outlier | None:
    """The widest kind of group that holds all the slowness; None when no group is clearly slower.

    `by`: only these kinds of group. A group that contains another slow one wins only when it is more than one
    pod and its pods are slow throughout.
    """
    timed = [pod for pod in pods if pod.latency and pod.latency.requests > 0]
    found: list[Outlier] = []
    for kind, key in GROUPS:
        if by and kind not in by:
            continue
        names = sorted({key(pod) for pod in timed if key(pod)})
        if len(names) < 2:
            continue
        found += [
            one
            for name in names
            if (one := against_others([pod for pod in timed if key(pod) == name], timed, kind, name))
        ]
    wide = [one for one in found if one.by == "pod" or len(one.pods) > 1 or by]
    return max(wide, key=lambda one: (round(one.cost_s, 6), one.by != "pod", one.name), default=None)


def against_others(ours: Sequence[Pod], timed: Sequence[Pod], by: str, name: str) -> Outlier | None:
    """`ours` against the rest of the timed pods; None when they are not clearly slower, every one of them."""
    others = [pod for pod in timed if pod not in ours]
    slow, twins = _pooled(ours), _pooled(others)
    if slow.requests < LEAST_REQUESTS or twins.requests < LEAST_REQUESTS:
        return None
    # Within a service durations spread about as wide as their mean: the error of a mean is mean / sqrt(n).
    error = sqrt(slow.mean_s**2 / slow.requests + twins.mean_s**2 / twins.requests)
    gap = slow.mean_s - twins.mean_s
    if slow.mean_s < SLOWER * twins.mean_s or gap < SLOWER_S or gap < STANDARD_ERRORS * error:
        return None
    slow_throughout = all(pod.latency and pod.latency.mean_s >= SLOWER * twins.mean_s for pod in ours)
    if not slow_throughout:
        return None
    return Outlier(
        by=by,
        name=name,
        pods=tuple(sorted(pod.name for pod in ours)),
        mean_s=slow.mean_s,
        others_s=twins.mean_s,
        others=len(others),
        share=slow.requests / (slow.requests + twins.requests),
    )


class _Pooled(msgspec.Struct, frozen=True):
    requests: float
    mean_s: float


def _pooled(pods: Sequence[Pod]) -> _Pooled:
    """All their requests together: never a mean of means."""
    latencies = [pod.latency for pod in pods if pod.latency]
    requests = sum(one.requests for one in latencies)
    seconds = sum(one.requests * one.mean_s for one in latencies)
    return _Pooled(requests, seconds / requests if requests else 0.0)


def fresh(pods: Iterable[Pod], start_s: float) -> tuple[Pod, ...]:
    """Pods that became ready in the window that begins at `start_s`, or in the minute before."""
    return tuple(pod for pod in pods if pod.ready_since_s is not None and pod.ready_since_s >= start_s - FRESH_S)


FRESH_S = 60.0
"""Connections, caches and lazy imports are made within about a minute of traffic."""
