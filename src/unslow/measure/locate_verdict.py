"""Is the complaint unusual at all? The window's two worst steps against every normal window of the same length.

A weak complaint with a node behind it that has never been so bad is a fault; a complaint as strong with nobody who
stands out is not. So the two chances are taken together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from unslow.measure.locate_readings import Node, known, reference

UNUSUAL = 0.05
"""At most one normal window in twenty is as bad."""
LEAST_WINDOWS = 40
"""Of fewer normal windows none can be said to be so rare."""
PICKED = 1.8
"""The suspect is picked because it stands out: by as much fault-free windows of random systems look rarer than they are."""
ALIKE = 0.5
"""A wait of at least half the node's own excess is that excess: a request may make several calls, or none."""
WORST = 2
"""A fault lasts; a single outlier is half as bad as one that stays for a second step."""


def badness(costs: Sequence[float | None], level: float) -> float:
    """The two worst steps together, over the level."""
    return sum(sorted((cost - level for cost in costs if cost is not None), reverse=True)[:WORST])


def chance(node: Node, normal: Node | None, before: int) -> float | None:
    """Share of normal windows at least as bad as the steps after the first `before`; None when nothing is known."""
    usual = reference(node, normal, range(before))
    costs = node.cost[before:]
    if normal is None or usual.level is None or not known(costs):
        return None
    level = reference(node, normal, ()).level or 0.0
    windows = [normal.cost[at : at + len(costs)] for at in range(len(normal.cost) - len(costs) + 1)]
    rates = [badness(window, level) for window in windows if known(window)]
    if len(rates) < LEAST_WINDOWS:
        return None
    observed = badness(costs, usual.level)
    return (1 + sum(1 for rate in rates if rate >= observed)) / (1 + len(rates))


def unusual(
    target: str, suspect: str, incident: Mapping[str, Node], normal: Mapping[str, Node], before: int
) -> float | None:
    """How often normal times look like this, 0..1, from the chances of the target and of the first suspect."""
    felt = chance(incident[target], normal.get(target), before)
    if felt is None:
        return None
    seen = chance(incident[suspect], normal.get(suspect), before)
    return min(1.0, PICKED * math.sqrt(felt * (felt if seen is None else seen)))


def waits_unseen(
    own: float, passed_on: float, outgoing: Node, usual: Node | None, weights: Sequence[float], before: int
) -> bool:
    """Whether the calls that a node makes got slower by what its callees' own series do not show.

    `own` and `passed_on` (explained by its callees) are seconds of one of its requests. The delay is then between
    the node and a callee, and neither's.
    """
    level = reference(outgoing, usual, range(before)).level
    ill = [(weight, cost) for weight, cost in zip(weights, outgoing.cost, strict=True) if weight and cost is not None]
    if level is None or not ill or own <= 0:
        return False
    rise = sum(weight * (cost - level) for weight, cost in ill) / sum(weight for weight, _ in ill)
    return rise - passed_on >= ALIKE * own
