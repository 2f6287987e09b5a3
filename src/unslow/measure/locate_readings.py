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


def reference(node: Node, normal: Node | None, well: Sequence[int]) -> Reference:
    """From normal times; from the steps in which the target is `well`, when there are none or it drifted."""
    usual = sorted(known(normal.cost)) if normal else []
    recent = known(node.cost[step] for step in well)
    if not usual:
        return Reference(median(recent) if recent else None, 0.0, 0.0)
    level = median(usual)
    low, high = rank(usual, 1 - NOISE_RANK) - level, rank(usual, NOISE_RANK) - level
    least, most = rank(usual, 1 - DRIFTED_RANK), rank(usual, DRIFTED_RANK)
    if recent and (max(recent) < least or min(recent) > most):
        level = median(recent)
    return Reference(level, low, high)


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
    return Reading(excess, allowed, _traffic(node, weights), noise, new=usual.level is None)


def silence(node: Node, normal: Node | None, weights: Sequence[float], quiet: Sequence[int], growth: float) -> float:
    """Requests that a node without any would have had; 0 when it is sometimes without any in normal times.

    `growth` is the target's traffic over its usual one.
    """
    ill = [step for step, weight in enumerate(weights) if weight > 0]
    if not ill or any(node.requests[step] for step in ill):
        return 0.0
    before = known(node.requests[step] for step in quiet)
    usual = known(normal.requests) if normal else before
    if not usual or not before or not any(before):
        return 0.0
    if sum(1 for count in usual if not count) > (1 - NOISE_RANK) * len(usual):
        return 0.0
    expected = sum(weights) * median(usual) * growth
    # Fewer than about three expected requests stay away by chance more than once in twenty times.
    return expected if math.exp(-expected) < 1 - NOISE_RANK else 0.0


def _traffic(node: Node, weights: Sequence[float]) -> float:
    """Over the suffering steps; a step whose count is missing is taken like the others."""
    counts = [(weight, node.requests[step]) for step, weight in enumerate(weights)]
    seen = sum(weight for weight, count in counts if count is not None)
    served = sum(weight * count for weight, count in counts if count is not None)
    return served * sum(weights) / seen if seen else 0.0
