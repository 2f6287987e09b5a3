"""What each node's series say of the incident: its excess, what noise allows, and whether it fell silent.

The quantity is additive: seconds (or failures) of all requests of a node in a time step, so more traffic at
the usual cost is no excess. A deviation counts only beyond what the node also shows when the target is well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median

import msgspec

NOISE_RANK = 0.95
"""A deviation up to the one that 19 of 20 normal steps stay below is noise."""
SIGMAS = 1.645
"""How far these ranks of a normal distribution lie from its middle."""
DRIFTED_RANK = 0.99
"""A node that is outside 99 of 100 normal steps whenever the target is well has drifted."""
MOST = 0.5
"""Of the incident."""
RARE = 0.01
"""There are many nodes, and one that falls silent by chance would take all the blame of its caller."""


class Node(msgspec.Struct, frozen=True):
    """One node over equal time steps; None where nothing was measured."""

    requests: tuple[float | None, ...]
    cost: tuple[float | None, ...]
    """Per request: mean seconds, or the share of failures."""


class Reference(msgspec.Struct, frozen=True):
    level: float | None
    """None: never seen before."""
    low: float
    high: float
    """Deviations from the level that are noise lie in low..high."""


class Reading(msgspec.Struct, frozen=True):
    """Of one node, summed over the steps in which the target suffers, weighted by how much."""

    excess: float
    """Beyond noise: seconds of all its requests, or failures."""
    allowed: float
    """The most that can hide in its noise."""
    traffic: float
    noise: float = 0.0
    """Standard deviation of the excess."""
    silent: float = 0.0
    """Requests that it would have had; 0: it answers."""
    new: bool = False
    """Never seen before the incident."""


def known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def rank(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, max(0, round(share * (len(ordered) - 1))))]


def reference(node: Node, normal: Node | None, well: Sequence[int], *, failures: bool = False) -> Reference:
    """From normal times; from the steps in which the target is `well`, when there are none or it drifted."""
    usual = sorted(known(normal.cost)) if normal else []
    recent = known(node.cost[step] for step in well)
    if not usual:
        return _sampled(node, well, median(recent), failures) if recent else Reference(None, 0.0, 0.0)
    level = median(usual)
    low, high = rank(usual, 1 - NOISE_RANK) - level, rank(usual, NOISE_RANK) - level
    least, most = rank(usual, 1 - DRIFTED_RANK), rank(usual, DRIFTED_RANK)
    if recent and (max(recent) < least or min(recent) > most):
        level = median(recent)
    return Reference(level, low, high)


def _sampled(node: Node, well: Sequence[int], level: float, failures: bool) -> Reference:
    """Without normal times: a mean of n requests is uncertain by one request's spread over the root of n.

    The spread of a duration is taken to be its mean; that of a failure follows from its share (one in n at least).
    """
    then = sum(known(node.requests[step] for step in well))
    now = median([count for count in known(node.requests) if count] or [0.0])
    if not then or not now:
        return Reference(level, 0.0, 0.0)
    share = max(level, 1 / (then + 1))
    spread = math.sqrt(share * max(0.0, 1 - share)) if failures else level
    noise = SIGMAS * spread * math.sqrt(1 / then + 1 / now)
    return Reference(level, -noise, noise)


def filled(node: Node, normal: Node | None) -> Node:
    """A count that is missing where the cost was measured is taken like the node's others, or like normal ones."""
    if all(cost is None or count is not None for count, cost in zip(node.requests, node.cost, strict=True)):
        return node
    counts = [count for count in known(node.requests) if count]
    usual = counts or [count for count in known(normal.requests if normal else ()) if count] or [0.0]
    return Node(
        tuple(
            median(usual) if count is None and cost is not None else count
            for count, cost in zip(node.requests, node.cost, strict=True)
        ),
        node.cost,
    )


def deviation(node: Node, usual: Reference, step: int) -> float | None:
    cost = node.cost[step]
    return None if cost is None or usual.level is None else cost - usual.level


def excess_at(node: Node, usual: Reference, step: int) -> float:
    return (node.requests[step] or 0.0) * (deviation(node, usual, step) or 0.0)


def read_target(node: Node, usual: Reference, weights: Sequence[float]) -> Reading:
    """All of its deviation counts: it is what was complained about."""
    excess = sum(weight * excess_at(node, usual, step) for step, weight in enumerate(weights))
    traffic = _traffic(node, weights)
    return Reading(excess, excess, traffic, (usual.high - usual.low) / (2 * SIGMAS) * traffic)


def read(node: Node, usual: Reference, weights: Sequence[float], quiet: Sequence[int]) -> Reading:
    """A step that was not measured though there were requests is taken like the node's other suffering steps."""
    low, high = min(0.0, usual.low), max(0.0, usual.high)
    for step in quiet:
        here = deviation(node, usual, step)
        if here is not None:
            low, high = min(low, here), max(high, here)
    excess = allowed = seen = missed = 0.0
    for step, weight in enumerate(weights):
        requests, here = node.requests[step], deviation(node, usual, step)
        if here is None:
            missed += weight if requests is None or requests > 0 else 0.0
            continue
        seen += weight
        served = weight * (requests or 0.0)
        if not low <= here <= high:
            excess += served * here
        allowed += served * max(0.0, here - low)
    if seen:
        excess, allowed = excess * (seen + missed) / seen, allowed * (seen + missed) / seen
    elif missed and usual.level is not None:
        allowed = math.inf  # nothing is known of it
    # Noise of neighbouring steps is alike, so it does not average out.
    noise = (high - low) / (2 * SIGMAS) * sum(w * (node.requests[step] or 0.0) for step, w in enumerate(weights))
    if seen:  # what was not measured may have been nothing, or twice as much
        noise = math.hypot(noise, excess * missed / (seen + missed))
    return Reading(excess, allowed, _traffic(node, weights), noise, new=usual.level is None)


def silence(node: Node, normal: Node | None, weights: Sequence[float], growth: float, *, gaps: bool = False) -> float:
    """Requests that a node without any would have had; 0 when that may be chance, or it answers.

    It is silent when it had requests while the target was well and none in most of the incident, and normal times
    hardly ever fall silent like this. `growth` is the target's traffic over its usual one. With `gaps` in the series
    of all kinds of nodes a missing count is no silence.
    """
    missed = [
        step
        for step, weight in enumerate(weights)
        if weight > 0 and not node.requests[step] and not (gaps and node.requests[step] is None)
    ]
    lost = sum(weights[step] for step in missed)
    before = known(count for count, weight in zip(node.requests, weights, strict=True) if not weight)
    if not any(before) or lost < MOST * sum(weights):
        return 0.0
    usual = known(normal.requests) if normal else before
    if normal is None and (len(before) < 2 or not all(before)):
        return 0.0  # one step with requests does not say that it always has some
    if not usual or _falls_silent(usual, len(missed)) > RARE:
        return 0.0
    # It may have been out of use for some of the normal time: what it had when it was in use counts.
    expected = lost * median([count for count in usual if count] or [0.0]) * growth
    # Fewer than about five expected requests stay away by chance more than once in a hundred times.
    return expected if math.exp(-expected) < RARE else 0.0


def _falls_silent(counts: Sequence[float], steps: int) -> float:
    """How often as many steps without requests follow a step with some, 0..1."""
    served = [at for at, count in enumerate(counts[: -steps or None]) if count]
    return sum(1 for at in served if not any(counts[at + 1 : at + 1 + steps])) / max(1, len(served))


def _traffic(node: Node, weights: Sequence[float]) -> float:
    """Over the suffering steps; a step whose count is missing is taken like the others."""
    counts = [(weight, node.requests[step]) for step, weight in enumerate(weights)]
    seen = sum(weight for weight, count in counts if count is not None)
    served = sum(weight * count for weight, count in counts if count is not None)
    return served * sum(weights) / seen if seen else 0.0
