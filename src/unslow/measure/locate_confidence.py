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
_GOLDEN = (math.sqrt(5) - 1) / 2
_TABLE = tuple(NormalDist().inv_cdf((at + 0.5) / 512) for at in range(512))


def confidences(
    target: str, graph: Paths, readings: Mapping[str, Reading], failed: Mapping[str, float], idle: Container[str]
) -> dict[str, float]:
    """Node -> share of the draws in which it is first, 0..1; nodes that never are first are left out.

    A callee that nobody measured may be the cause as well as its caller, unless it is usually `idle`.
    """
    wins: dict[str, int] = {}
    reached = {name: readings[name] for name in graph.order if name in readings}
    others = {name: reading for name, reading in readings.items() if name not in reached}
    chance = _normal()
    for _ in range(DRAWS):
        drawn = {name: _drawn(reading, chance) for name, reading in reached.items()}
        drawn[target] = readings[target]
        first = _first(explain(target, graph, {**others, **drawn}, failed))
        wins[first] = wins.get(first, 0) + 1
    # One draw more for what no draw foresees.
    return {name: count / (DRAWS + 1) / (1 + _unseen(name, graph, readings, idle)) for name, count in wins.items()}


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


def _normal() -> Iterator[float]:
    at = 0.0
    while True:
        at = (at + _GOLDEN) % 1.0
        yield _TABLE[int(at * 512)]
