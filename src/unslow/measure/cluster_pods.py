"""Pods against their twins: which one, or which node, zone or version of them, is slow, and what it costs the mean.

All pods of a workload run the same code on the same traffic, so each is the others' control group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import sqrt

import msgspec

from unslow.evidence.cluster import Latency, Pod, RouteLatency

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
    others = [pod.latency for pod in timed if pod not in ours and pod.latency]
    mine = [pod.latency for pod in ours if pod.latency]
    found = against(mine, others)
    if found is None or not found.is_slower:
        return None
    alone = [against([one], others, least=0.0) for one in mine]
    if not all(one is not None and one.ratio >= SLOWER for one in alone):
        return None
    return Outlier(
        by=by,
        name=name,
        pods=tuple(sorted(pod.name for pod in ours)),
        mean_s=found.mean_s,
        others_s=found.others_s,
        others=len(others),
        share=found.requests / (found.requests + found.others_requests),
    )


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Some pods against others, on the same mix of requests."""

    requests: float
    mean_s: float
    others_requests: float
    others_s: float
    """What their requests take on the mix of the first."""
    error_s: float
    """Standard error of the difference."""

    @property
    def ratio(self) -> float:
        return self.mean_s / self.others_s if self.others_s else float("inf")

    @property
    def is_slower(self) -> bool:
        gap = self.mean_s - self.others_s
        return self.ratio >= SLOWER and gap >= max(SLOWER_S, STANDARD_ERRORS * self.error_s)


def against(ours: Sequence[Latency], others: Sequence[Latency], least: float = LEAST_REQUESTS) -> Comparison | None:
    """The first on their own mix of requests against the others on the same mix; None with less than `least` of either.

    A pod that happens to get more of the slow route, or is the one that we ask for it, is not slower for that. Where
    somebody's timer tells no routes apart, all requests are taken for alike.
    """
    told = all(one.routes for one in (*ours, *others))
    mine, theirs = _pooled(ours, told), _pooled(others, told)
    common = [route for route in mine if route in theirs]
    requests = sum(mine[route].requests for route in common)
    others_requests = sum(theirs[route].requests for route in common)
    if min(requests, others_requests) < max(least, 1e-9):
        return None
    weights = {route: mine[route].requests / requests for route in common}
    # Within a route durations spread about as wide as their mean: the error of a mean is mean / sqrt(n).
    variance = sum(
        (weights[route] * side[route].mean_s) ** 2 / side[route].requests for route in common for side in (mine, theirs)
    )
    return Comparison(
        requests=requests,
        mean_s=sum(weights[route] * mine[route].mean_s for route in common),
        others_requests=others_requests,
        others_s=sum(weights[route] * theirs[route].mean_s for route in common),
        error_s=sqrt(variance),
    )


class _Pooled(msgspec.Struct, frozen=True):
    requests: float
    mean_s: float


def _pooled(latencies: Sequence[Latency], by_route: bool) -> dict[str, _Pooled]:
    """All their requests together, never a mean of means; else under one empty route."""
    counted: dict[str, list[tuple[float, float]]] = {}
    for one in latencies:
        whole = (RouteLatency(route="", requests=one.requests, mean_s=one.mean_s),)
        for each in one.routes if by_route else whole:
            if each.requests > 0:
                counted.setdefault(each.route, []).append((each.requests, each.mean_s))
    return {
        route: _Pooled(sum(n for n, _ in some), sum(n * mean for n, mean in some) / sum(n for n, _ in some))
        for route, some in counted.items()
    }


def fresh(pods: Iterable[Pod], start_s: float) -> tuple[Pod, ...]:
    """Pods that became ready in the window that begins at `start_s`, or in the minute before."""
    return tuple(pod for pod in pods if pod.ready_since_s is not None and pod.ready_since_s >= start_s - FRESH_S)


FRESH_S = 60.0
"""Connections, caches and lazy imports are made within about a minute of traffic."""
