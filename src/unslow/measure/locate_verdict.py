"""Is the complaint unusual at all? The window's two worst steps against every normal window of the same length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unslow.measure.locate_readings import Node, known, reference

UNUSUAL = 0.05
"""At most one normal window in twenty is as bad."""
LEAST_WINDOWS = 20
"""Of fewer normal windows none can be said to be the worst of twenty."""
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
    """How often normal times look like this, 0..1: the larger of the target's and the first suspect's chance.

    Where nothing slows the target, whoever is named is named by chance, and shows nothing unusual either.
    """
    felt = chance(incident[target], normal.get(target), before)
    if felt is None or suspect == target:
        return felt
    seen = chance(incident[suspect], normal.get(suspect), before)
    return felt if seen is None else max(felt, seen)
