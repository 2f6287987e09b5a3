"""Which service is at fault: the excess of each node that its callees do not explain, seen from the target.

The quantity is additive: seconds (or failures) of all requests of a node in a time step. A node's excess
is its requests times the rise of its cost per request over the reference, so more traffic at the
usual cost is no excess, and a callee that is called more often burdens its caller, as does one never seen
before. From the target downwards each caller's excess is explained by its callees' (of a callee with
several callers, each gets a share by its traffic), at most by as much as the caller has; what is left is
the caller's own. A deviation counts only beyond what the node also shows when the target is well, and in
the time steps in which the target suffers. Ties are broken by the greater excess, then by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

import msgspec

NOISE_RANK = 0.95
"""A deviation up to the one that 19 of 20 normal steps stay below is noise."""
SUFFERING = 0.5
"""The steps with at least half the target's largest excess are the incident."""
QUIET = 0.1
"""Steps of the window with less than a tenth of it tell how much a node varies by itself."""
DRIFTED_RANK = 0.99
"""A node that is outside 99 of 100 normal steps whenever the target is well has drifted."""
TAIL_RANK, TAIL_SIGMAS = 0.975, 1.96
"""Of a normal distribution."""

Calls = Mapping[str, Sequence[str]]


class Node(msgspec.Struct, frozen=True):
    """One node over equal time steps; None where nothing was measured."""

    requests: tuple[float | None, ...]
    cost: tuple[float | None, ...]
    """Per request: mean seconds, or the share of failures."""


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
    fault: bool = True


def locate(
    target: str, calls: Calls, incident: Mapping[str, Node], normal: Mapping[str, Node], before: int = 1
) -> Ranking:
    """Rank the nodes of `incident` (its first `before` steps are before the alert); see the module."""
    well = range(before)
    felt = _reference(incident[target], normal.get(target), well) if target in incident else None
    suffered = [max(0.0, _excess(incident[target], felt, step)) for step in _steps(incident[target])] if felt else []
    worst = max(suffered, default=0.0)
    if felt is None or worst <= 0:
        return Ranking(suspects=_unranked(incident), excess=0.0, sigmas=0.0)
    weights = [value / worst if value >= SUFFERING * worst else 0.0 for value in suffered]
    quiet = [step for step, value in enumerate(suffered) if value < QUIET * worst]
    references = {
        name: felt if name == target else _reference(node, normal.get(name), quiet) for name, node in incident.items()
    }
    served = sum(w * (incident[target].requests[step] or 0.0) for step, w in enumerate(weights))
    excess = {
        name: _weighted(node, references[name], weights, () if name == target else quiet, name == target) / served
        for name, node in incident.items()
    }
    traffic = {
        name: sum(w * (count or 0.0) for w, count in zip(weights, node.requests, strict=True))
        for name, node in incident.items()
    }
    own, total = _explained(target, calls, excess, traffic)
    suspects = sorted(
        (_suspect(name, own.get(name, 0.0), total.get(name, 0.0), excess[target]) for name in incident),
        key=lambda one: (-one.own, -excess[one.node], one.node),
    )
    return Ranking(
        suspects=tuple(suspects),
        excess=excess[target],
        sigmas=_sigmas(incident[target], references[target], normal.get(target)),
    )


class _Reference(msgspec.Struct, frozen=True):
    level: float | None
    """None: never seen before."""
    low: float
    high: float
    """Deviations from the level that are noise lie in low..high."""


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _steps(node: Node) -> range:
    return range(len(node.cost))


def _reference(node: Node, normal: Node | None, well: Sequence[int]) -> _Reference:
    """From normal times; from the steps in which the target is `well`, when there are none or it drifted."""
    usual = sorted(_known(normal.cost)) if normal else []
    recent = _known(node.cost[step] for step in well)
    if not usual:
        return _Reference(median(recent) if recent else None, 0.0, 0.0)
    level = median(usual)
    low, high = _rank(usual, 1 - NOISE_RANK) - level, _rank(usual, NOISE_RANK) - level
    least, most = _rank(usual, 1 - DRIFTED_RANK), _rank(usual, DRIFTED_RANK)
    if recent and (max(recent) < least or min(recent) > most):
        level = median(recent)
    return _Reference(level, low, high)


def _rank(ordered: Sequence[float], rank: float) -> float:
    return ordered[min(len(ordered) - 1, max(0, round(rank * (len(ordered) - 1))))]


def _deviation(node: Node, reference: _Reference, step: int) -> float:
    cost = node.cost[step]
    return 0.0 if cost is None or reference.level is None else cost - reference.level


def _excess(node: Node, reference: _Reference, step: int) -> float:
    return (node.requests[step] or 0.0) * _deviation(node, reference, step)


def _weighted(node: Node, reference: _Reference, weights: Sequence[float], quiet: Sequence[int], target: bool) -> float:
    """Requests times deviation beyond noise, over the suffering steps."""
    low, high = (0.0, 0.0) if target else (min(0.0, reference.low), max(0.0, reference.high))
    for step in quiet:
        deviation = _deviation(node, reference, step)
        low, high = min(low, deviation), max(high, deviation)
    total = 0.0
    for step, weight in enumerate(weights):
        deviation = _deviation(node, reference, step)
        if not low <= deviation <= high:
            total += weight * (node.requests[step] or 0.0) * deviation
    return total


def _sigmas(node: Node, reference: _Reference, normal: Node | None) -> float:
    usual = _known(normal.cost) if normal else []
    if len(usual) < 2 or reference.level is None:
        return 0.0
    middle = median(usual)
    # The upper tail counts too: failures are nearly always none, and means have outliers upwards.
    tail = (_rank(sorted(usual), TAIL_RANK) - middle) / TAIL_SIGMAS
    spread = max(tail, 1.4826 * median([abs(value - middle) for value in usual]))
    largest = max(_deviation(node, reference, step) for step in _steps(node))
    return largest / spread if spread else 0.0


def _explained(
    target: str, calls: Calls, excess: Mapping[str, float], traffic: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """Own and total excess of every node that the target reaches."""
    order = _callers_first(target, calls, excess)
    position = {name: at for at, name in enumerate(order)}
    traffic_of_callers: dict[str, float] = {}
    for caller in excess:
        for callee in calls.get(caller, ()):
            traffic_of_callers[callee] = traffic_of_callers.get(callee, 0.0) + traffic[caller]
    total = dict.fromkeys(order, 0.0)
    total[target] = max(0.0, excess[target])
    own: dict[str, float] = {}
    for caller in order:
        demands = {
            callee: max(0.0, excess[callee]) * traffic[caller] / traffic_of_callers[callee]
            for callee in calls.get(caller, ())
            # A call backwards closes a cycle: its callee has already been explained.
            if callee in position and position[callee] > position[caller] and traffic_of_callers[callee]
        }
        demanded = sum(demands.values())
        granted = min(1.0, total[caller] / demanded) if demanded else 0.0
        for callee, demand in demands.items():
            total[callee] += demand * granted
        own[caller] = total[caller] - demanded * granted
    return own, total


def _callers_first(target: str, calls: Calls, known: Mapping[str, float]) -> list[str]:
    """Nodes that the target reaches, each before its callees wherever there is no cycle."""
    finished: list[str] = []
    seen = {target}
    stack = [(target, iter(sorted(calls.get(target, ()))))]
    while stack:
        name, callees = stack[-1]
        following = next((one for one in callees if one in known and one not in seen), None)
        if following is None:
            finished.append(name)
            stack.pop()
        else:
            seen.add(following)
            stack.append((following, iter(sorted(calls.get(following, ())))))
    return finished[::-1]


def _suspect(node: str, own: float, total: float, excess: float) -> Suspect:
    share = own / excess if excess > 0 else 0.0
    if own <= 0:
        reason = "its callees explain all of its excess" if total > 0 else "no excess that the target would feel"
    else:
        reason = f"explains {share:.0%} of the target's excess by itself, {total - own:.3g} more by its callees"
    return Suspect(node=node, own=own, total=total, share=share, reason=reason)


def _unranked(incident: Mapping[str, Node]) -> tuple[Suspect, ...]:
    return tuple(_suspect(name, 0.0, 0.0, 0.0) for name in sorted(incident))
