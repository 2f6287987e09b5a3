"""How sure a ranking is: how often its first would be first again, had chance gone another way.

Every excess is drawn anew within its noise, and every claim within what a division by traffic gets wrong; the
draws are evenly spread instead of random, so that the same series give the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping
from statistics import NormalDist

import msgspec

from unslow.measure.locate_explained import Explained, Paths, explain
from unslow.measure.locate_readings import Reading

DRAWS = 40
DIVISION = 0.25
"""Standard deviation of the logarithm of a claim: in 19 of 20 cases calls cost 0.6 to 1.6 times what their number says."""
LEVEL, SLOPE = 2.63, 0.41
"""Logistic curve from the share of draws to the share of right answers, of 5,788 faults put into random systems."""
UNSEEN = 0.5
"""A callee that nobody measured is the cause half as often as the caller that was measured and named."""
CLIP = 0.01
_GOLDEN = (math.sqrt(5) - 1) / 2
_TABLE = tuple(NormalDist().inv_cdf((at + 0.5) / 512) for at in range(512))


def confidences(
    target: str, graph: Paths, readings: Mapping[str, Reading], failed: Mapping[str, float], idle: Container[str]
) -> dict[str, float]:
    """Node -> probability that it is the cause, 0..1; nodes that are first in no draw are left out.

    A callee that nobody measured may be the cause as well, unless it is usually `idle`.
    """
    wins: dict[str, int] = {}
    reached = {name: readings[name] for name in graph.order if name in readings}
    others = {name: reading for name, reading in readings.items() if name not in reached}
    chance = even_normal()
    for _ in range(DRAWS):
        drawn = {name: _drawn(reading, chance) for name, reading in reached.items()}
        drawn[target] = readings[target]
        first = _first(explain(target, graph, {**others, **drawn}, failed))
        wins[first] = wins.get(first, 0) + 1
    first = _first(explain(target, graph, readings, failed))
    sure = calibrated(wins.get(first, 0) / DRAWS, LEVEL, SLOPE) / (1 + UNSEEN * _unseen(first, graph, readings, idle))
    rest = sum(count for name, count in wins.items() if name != first)
    return {first: sure} | {name: (1 - sure) * count / rest for name, count in wins.items() if name != first}


def calibrated(share: float, level: float, slope: float) -> float:
    """The logistic curve from a share of draws to a share of right answers, both 0..1."""
    inside = min(1 - CLIP, max(CLIP, share))
    return 1 / (1 + math.exp(-level - slope * math.log(inside / (1 - inside))))


def _unseen(name: str, graph: Paths, readings: Mapping[str, Reading], idle: Container[str]) -> int:
    callees = (one for one in graph.callees[name] if one not in idle)
    return sum(1 for one in callees if one not in readings or math.isinf(readings[one].allowed))


def _drawn(reading: Reading, chance: Iterator[float]) -> Reading:
    scale = math.exp(DIVISION * next(chance))
    return (
        msgspec.structs.replace(
            reading, excess=(reading.excess + reading.noise * next(chance)) * scale, allowed=reading.allowed * scale
        )
        if reading.excess > 0
        else msgspec.structs.replace(reading, allowed=reading.allowed * scale)
    )


def _first(explained: Explained) -> str:
    return min(explained.own, key=lambda name: (-explained.own[name], name))


def even_normal() -> Iterator[float]:
    """Values of the standard normal distribution, evenly spread instead of random."""
    at = 0.0
    while True:
        at = (at + _GOLDEN) % 1.0
        yield _TABLE[int(at * 512)]
