"""Which service is at fault: the excess of each node that its callees do not explain, seen from the target.

From the target downwards each caller's excess is explained by its callees' (of a callee with several callers,
each gets a share by its traffic), at most by as much as the caller has; what is left is the caller's own. A
callee that is called more often burdens its caller, as does one never seen before. Only time steps in which
the target suffers count. Ties are broken by the greater excess, then by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

import msgspec

from unslow.measure.locate_confidence import confidences
from unslow.measure.locate_explained import Calls, Explained, explain, paths
from unslow.measure.locate_readings import (
    Node,
    Reading,
    Reference,
    deviation,
    excess_at,
    filled,
    known,
    rank,
    read,
    read_target,
    reference,
    silence,
)
from unslow.measure.locate_verdict import UNUSUAL, unusual, waits_unseen

SUFFERING = 0.5
"""The steps with at least half the target's largest excess are the incident."""
GAPS = 0.05
"""Share of the counts that are missing, from which on a missing one says nothing."""
QUIET = 0.1
"""Steps of the window with less than a tenth of it tell how much a node varies by itself."""
TAIL_RANK, TAIL_SIGMAS = 0.975, 1.96
"""Of a normal distribution."""

__all__ = ["Calls", "Node", "Ranking", "Suspect", "locate"]


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    node: str
    own: float
    """Excess per request of the target that the node explains by itself: seconds, or failures."""
    total: float
    """The same with what its callees explain."""
    share: float
    """own / the target's excess, 0..1."""
    confidence: float = 0.0
    reason: str


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    suspects: tuple[Suspect, ...]
    """All nodes, most to blame first."""
    excess: float
    """Of the target, per request."""
    sigmas: float
    """The target's largest excess over its usual variation; below about 3 perhaps no fault; 0: unknown."""
    chance: float | None
    """How often fault-free times look like this, 0..1; None: no normal times to compare with."""

    between: bool = False
    """The first waits for a callee whose own series do not show it: which of the two it is cannot be told."""

    @property
    def fault(self) -> bool:
        """False: nothing unusual happened here."""
        return self.excess > 0 and (self.chance is None or self.chance <= UNUSUAL)


def locate(
    target: str,
    calls: Calls,
    incident: Mapping[str, Node],
    normal: Mapping[str, Node],
    before: int = 1,
    *,
    failures: bool = False,
    outgoing: tuple[Mapping[str, Node], Mapping[str, Node]] = ({}, {}),
) -> Ranking:
    """Rank the nodes of `incident` (its first `before` steps are before the alert); see the module.

    `failures`: the cost of the nodes is the share of failed requests, not seconds.
    `outgoing`: incident and normal seconds per call that a node makes, as it sees them; where they are measured.
    """
    gaps = _gaps(incident) > GAPS
    incident = {name: filled(node, normal.get(name)) for name, node in incident.items()}
    well = range(before)
    felt, suffered = _felt(incident[target], normal.get(target), before, failures) if target in incident else (None, [])
    worst = max(suffered, default=0.0)
    if felt is None or worst <= 0:
        return Ranking(suspects=_unranked(incident), excess=0.0, sigmas=0.0, chance=None)
    weights = [value / worst if value >= SUFFERING * worst else 0.0 for value in suffered]
    quiet = [
        step for step, value in enumerate(suffered) if value < QUIET * worst and incident[target].cost[step] is not None
    ]
    usual_traffic = median(known(normal[target].requests) or [0.0]) if target in normal else 0.0
    served = sum(w * (incident[target].requests[step] or 0.0) for step, w in enumerate(weights))
    # Less than one request a step says nothing of growth.
    growth = served / sum(weights) / usual_traffic if usual_traffic >= 1 else 1.0
    readings: dict[str, Reading] = {target: read_target(incident[target], felt, weights)}
    failed: dict[str, float] = {}
    for name, node in incident.items():
        if name == target:
            continue
        # A node that normal times do not know is new unless it was there before the alert.
        usual = reference(node, normal.get(name), quiet if name in normal else well, failures=failures)
        reading = read(node, usual, weights, quiet)
        silent = silence(node, normal.get(name), weights, growth, gaps=gaps)
        readings[name] = msgspec.structs.replace(reading, silent=silent, new=reading.new and not silent)
    if failures:
        failed = {
            name: max((cost or 0.0 for cost, weight in zip(node.cost, weights, strict=True) if weight), default=0.0)
            for name, node in incident.items()
        }
    graph = paths(target, calls)
    explained = explain(target, graph, readings, failed)
    idle = {name for name, node in normal.items() if median(count or 0.0 for count in node.requests or (0.0,)) < 1}
    sure = confidences(target, graph, readings, failed, idle)
    excess = readings[target].excess / served
    suspects = sorted(
        (
            _suspect(
                name,
                explained,
                served,
                excess,
                sure.get(name, 0.0),
                readings[name],
                [one for one in graph.callees.get(name, ()) if one in readings and readings[one].new],
            )
            for name in incident
        ),
        key=lambda one: (-one.own, -readings[one.node].excess, one.node),
    )
    first = suspects[0]
    waits, usually = (nodes.get(first.node) for nodes in outgoing)
    per_request = served / readings[first.node].traffic if readings[first.node].traffic else 0.0
    between = waits is not None and waits_unseen(
        first.own * per_request, (first.total - first.own) * per_request, waits, usually, weights, before
    )
    return Ranking(
        suspects=tuple(suspects),
        between=between,
        excess=excess,
        sigmas=_sigmas(incident[target], felt, normal.get(target)),
        chance=unusual(target, suspects[0].node, incident, normal, before),
    )


def _gaps(nodes: Mapping[str, Node]) -> float:
    """Share of the counts that are missing."""
    counts = [count for node in nodes.values() for count in node.requests]
    return sum(count is None for count in counts) / max(1, len(counts))


def _felt(node: Node, normal: Node | None, before: int, failures: bool) -> tuple[Reference, list[float]]:
    """Of the target: its reference and its excess in each step."""
    felt = reference(node, normal, range(before), failures=failures)
    suffered = [max(0.0, excess_at(node, felt, step)) for step in range(len(node.cost))]
    if any(suffered) or normal is None:
        return felt, suffered
    # Nothing is worse than just before: then that was no drift, but an outlier, or the fault had begun.
    felt = reference(node, normal, ())
    return felt, [max(0.0, excess_at(node, felt, step)) for step in range(len(node.cost))]


def _sigmas(node: Node, usual: Reference, normal: Node | None) -> float:
    costs = known(normal.cost) if normal else []
    if len(costs) < 2 or usual.level is None:
        return 0.0
    middle = median(costs)
    # The upper tail counts too: failures are nearly always none, and means have outliers upwards.
    tail = (rank(sorted(costs), TAIL_RANK) - middle) / TAIL_SIGMAS
    spread = max(tail, 1.4826 * median([abs(value - middle) for value in costs]))
    largest = max(deviation(node, usual, step) or 0.0 for step in range(len(node.cost)))
    return largest / spread if spread else 0.0


def _suspect(
    node: str, explained: Explained, served: float, excess: float, sure: float, reading: Reading, started: list[str]
) -> Suspect:
    own, total = (values.get(node, 0.0) / served for values in (explained.own, explained.total))
    share = own / excess if excess > 0 else 0.0
    if own <= 0 and reading.new:
        reason = "was never seen before; who began to call it answers for it"
    elif own <= 0:
        reason = "its callees explain all of its excess" if total > 0 else "no excess that the target would feel"
    elif reading.silent:
        reason = f"fell silent while its callers wait: {share:.0%} of the target's excess"
    else:
        reason = f"explains {share:.0%} of the target's excess by itself"
        if total > own:
            reason += f", its callees {(total - own) / excess:.0%} more"
        if started:
            reason += f"; began to call {', '.join(started)}"
    return Suspect(node=node, own=own, total=total, share=share, confidence=sure, reason=reason)


def _unranked(incident: Mapping[str, Node]) -> tuple[Suspect, ...]:
    return tuple(
        Suspect(node=name, own=0.0, total=0.0, share=0.0, reason="no excess that the target would feel")
        for name in sorted(incident)
    )
