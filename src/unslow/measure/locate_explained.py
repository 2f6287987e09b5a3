"""Who explains whose excess: from the callees upwards what each claims, from the target downwards what it gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from unslow.measure.locate_readings import MOST, Reading

Calls = Mapping[str, Sequence[str]]


class Paths(msgspec.Struct, frozen=True):
    """The part of the graph that the target reaches, without calls backwards."""

    order: tuple[str, ...]
    """Callers before their callees."""
    callees: dict[str, tuple[str, ...]]
    callers: dict[str, tuple[str, ...]]
    """All callers of a node, also those that the target does not reach."""


class Explained(msgspec.Struct, frozen=True):
    own: dict[str, float]
    total: dict[str, float]


def paths(target: str, calls: Calls) -> Paths:
    order = _callers_first(target, calls)
    position = {name: at for at, name in enumerate(order)}
    # A call backwards closes a cycle: its callee has already been explained.
    callees = {
        caller: tuple(sorted({one for one in calls.get(caller, ()) if position[one] > at}))
        for caller, at in position.items()
    }
    callers: dict[str, list[str]] = {name: [] for name in order}
    for caller in sorted(calls):
        for callee in set(calls[caller]):
            if callee in callers and not (caller in position and position[caller] >= position[callee]):
                callers[callee].append(caller)
    return Paths(tuple(order), callees, {name: tuple(found) for name, found in callers.items()})


def explain(target: str, graph: Paths, readings: Mapping[str, Reading], failed: Mapping[str, float]) -> Explained:
    """Own and total excess of each node that the target reaches, in the unit of the readings.

    `failed` is the share of its requests that a node failed; empty: the excess is seconds.
    """
    traffic = _traffic(graph, readings)
    shares = {
        callee: {caller: traffic[caller] / whole for caller in callers if traffic[caller]}
        for callee, callers in graph.callers.items()
        if (whole := sum(traffic[caller] for caller in callers))
    }
    claims: dict[str, float] = {}
    demands: dict[str, dict[str, float]] = {}
    for caller in reversed(graph.order):
        demands[caller] = {
            callee: share * claims[callee]
            for callee in graph.callees[caller]
            if claims[callee] > 0 and (share := shares.get(callee, {}).get(caller, 0.0)) > 0
        }
        passed_on = sum(demands[caller].values())
        reading = readings.get(caller)
        if reading is None:  # what was not measured takes its callees' word
            claims[caller] = passed_on
        elif reading.new:
            claims[caller] = 0.0
        else:
            claims[caller] = max(0.0, reading.excess, min(passed_on, reading.allowed))
    total = dict.fromkeys(graph.order, 0.0)
    total[target] = max(0.0, readings[target].excess)
    own: dict[str, float] = {}
    for caller in graph.order:
        demanded = sum(demands[caller].values())
        whole = max(claims[caller], demanded, total[caller])
        # What it has is divided as it was divided at the node itself, so a part that got lost on the way up is shared.
        portion = total[caller] / max(claims[caller], demanded) if demanded and whole else 0.0
        for callee, demand in demands[caller].items():
            total[callee] += demand * min(1.0, portion)
        own[caller] = total[caller] - demanded * min(1.0, portion)
        _to_silent(caller, graph, readings, failed, own, total)
    return Explained(own, total)


def _to_silent(
    caller: str,
    graph: Paths,
    readings: Mapping[str, Reading],
    failed: Mapping[str, float],
    own: dict[str, float],
    total: dict[str, float],
) -> None:
    """A caller that waits for a callee which fell silent passes on what nothing else explains."""
    there = [one for one in graph.callees[caller] if one in readings]
    silent = [one for one in there if readings[one].silent]
    # When all of several callees fall silent, it is the caller that stopped calling.
    if len(silent) == len(there) and len(there) > 1:
        return
    if failed.get(caller, 0.0) > MOST:  # then it may never have come so far, unless others miss the callee too
        silent = [one for one in silent if _ill_callers(one, graph, readings) > 1]
    whole = sum(readings[one].silent for one in silent)
    # One missing answer fails at most one request.
    passed_on = min(own[caller], whole) if failed else own[caller]
    for one in silent:
        total[one] += passed_on * readings[one].silent / whole
    own[caller] -= passed_on if silent else 0.0


def _ill_callers(name: str, graph: Paths, readings: Mapping[str, Reading]) -> int:
    return sum(1 for one in graph.callers[name] if one in readings and readings[one].excess > 0)


def _traffic(graph: Paths, readings: Mapping[str, Reading]) -> dict[str, float]:
    """Of what was not measured: that of its callees, each divided among its callers."""
    names = {*graph.order, *(caller for callers in graph.callers.values() for caller in callers)}
    traffic = {name: readings[name].traffic for name in names if name in readings}
    for name in reversed(graph.order):
        if name not in traffic:
            traffic[name] = sum(traffic[one] / len(graph.callers[one]) for one in graph.callees[name])
    return {name: traffic.get(name, 0.0) for name in names}


def _callers_first(target: str, calls: Calls) -> list[str]:
    """Nodes that the target reaches, each before its callees wherever there is no cycle."""
    finished: list[str] = []
    seen = {target}
    stack = [(target, iter(sorted(calls.get(target, ()))))]
    while stack:
        name, callees = stack[-1]
        following = next((one for one in callees if one not in seen), None)
        if following is None:
            finished.append(name)
            stack.pop()
        else:
            seen.add(following)
            stack.append((following, iter(sorted(calls.get(following, ())))))
    return finished[::-1]
