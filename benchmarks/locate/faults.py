"""Faults put into fault-free series: what a ranking is tried on without any label that somebody could have tuned to.

A window of normal operation is taken, a fault is added at one node, and it travels to the callers: each gets a share
by its traffic, blurred by chance, and loses a part on the way (calls that run beside others). The size is set so that
the target rises by a chosen multiple of its usual variation.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import median

from unslow.measure.locate import Node

STEPS = 5
Calls = dict[str, list[str]]
Nodes = dict[str, Node]

KINDS = (
    "plain",
    "gaps",  # a tenth of the values, one step of some nodes and some nodes altogether are missing
    "back pressure",  # callees of the faulty node slow down a little with it
    "mirror",  # an uninstrumented leaf beside the faulty node sees a part of the same calls
    "vanished",  # the faulty node reports nothing any more
    "new node",  # the faulty node starts to call one that nobody knew
    "cycle",  # the graph has calls backwards
    "two causes",
    "more traffic",  # beside the fault, traffic grows by half
    "late",  # the fault begins one step later and is not over at the end
    "flapping",  # a rare, noisy node varies by chance at the same time
    "no normal",  # nothing is known but the window itself
    "sparse",  # three of ten values are missing, the counts of requests too
    "three causes",
)


@dataclass(frozen=True)
class System:
    target: str
    calls: Calls
    nodes: Nodes
    """Over a long fault-free time."""
    metric: str
    """`latency`, or `availability`: cost is the share of failures, and no more than 1."""
    name: str = ""


@dataclass(frozen=True)
class Case:
    system: System
    kind: str
    causes: tuple[str, ...]
    """Empty: no fault."""
    calls: Calls
    window: Nodes
    normal: Nodes


def generated(seed: int, metric: str) -> System:
    """A random system: layers, fan-out, shares, costs and variation drawn at random; 590 steps."""
    rng = random.Random(seed)
    size = rng.randint(12, 45)
    names = [f"n{at:02d}" for at in range(size)]
    calls: Calls = {name: [] for name in names}
    for at in range(1, size):
        for caller in {rng.randrange(max(0, at - 8), at) for _ in range(1 + (rng.random() < 0.35))}:
            calls[names[caller]].append(names[at])
    share = dict.fromkeys(names, 0.0)
    share[names[0]] = 1.0
    for name in names:
        for callee in calls[name]:
            share[callee] += share[name] * rng.choice((0.05, 0.3, 0.6, 1.0, 1.0, 2.0))
    own = {name: math.exp(rng.gauss(-5, 1.2)) for name in names}
    varies = {name: rng.choice((0.03, 0.06, 0.12, 0.3)) for name in names}
    fails = {name: rng.choice((0.0, 0.0, 0.0, 0.002, 0.02)) for name in names}
    busy = rng.choice((200.0, 600.0, 3000.0))
    steps = 590
    traffic = [busy * (1 + 0.15 * math.sin(step / 45)) * math.exp(rng.gauss(0, 0.04)) for step in range(steps)]
    counts = {name: [float(_poisson(rng, share[name] * now)) for now in traffic] for name in names}
    total: dict[str, list[float]] = {}
    failures: dict[str, list[float]] = {}
    for name in reversed(names):  # callees have later names
        spent = [
            count * own[name] * math.exp(rng.gauss(0, varies[name] / math.sqrt(1 + count / 100)))
            for count in counts[name]
        ]
        failed = [float(_poisson(rng, count * fails[name])) for count in counts[name]]
        for callee in calls[name]:
            callers = [one for one in names if callee in calls[one]]
            for step in range(steps):
                part = share[name] / sum(share[one] for one in callers)
                spent[step] += total[callee][step] * part
                failed[step] += 0.9 * failures[callee][step] * part
        total[name], failures[name] = spent, failed
    amounts = total if metric == "latency" else failures
    nodes = {
        name: Node(
            tuple(counts[name]),
            tuple(
                None if not count else min(value / count, 1.0 if metric == "availability" else math.inf)
                for value, count in zip(amounts[name], counts[name], strict=True)
            ),
        )
        for name in names
    }
    return System(names[0], calls, nodes, metric, f"generated {seed}")


def _poisson(rng: random.Random, mean: float) -> int:
    return max(0, round(rng.gauss(mean, math.sqrt(mean)))) if mean > 30 else _small_poisson(rng, mean)


def _small_poisson(rng: random.Random, mean: float) -> int:
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def steps_of(node: Node, begin: int, end: int) -> Node:
    return Node(node.requests[begin:end], node.cost[begin:end])


def quiet_case(system: System, rng: random.Random) -> Case:
    """A window in which nothing happened."""
    length = len(next(iter(system.nodes.values())).cost)
    begin = rng.randrange(length - STEPS)
    window = {name: steps_of(node, begin, begin + STEPS) for name, node in system.nodes.items()}
    window = {name: node for name, node in window.items() if any(node.requests)}
    normal = {
        name: Node(
            node.requests[: max(0, begin - 3)] + node.requests[begin + STEPS + 3 :],
            node.cost[: max(0, begin - 3)] + node.cost[begin + STEPS + 3 :],
        )
        for name, node in system.nodes.items()
    }
    return Case(system, "quiet", (), {name: list(callees) for name, callees in system.calls.items()}, window, normal)


def busier(case: Case, factor: float) -> Case:
    """The same costs with more requests everywhere, from the second step on: traffic changed, and nothing is wrong."""
    window = {
        name: Node(
            tuple(
                value if value is None or not step else round(value * factor)
                for step, value in enumerate(node.requests)
            ),
            node.cost,
        )
        for name, node in case.window.items()
    }
    return Case(case.system, "busier", (), case.calls, window, case.normal)


def sparse(case: Case, share: float, rng: random.Random) -> Case:
    """The same with a share of all values missing, but for the target's."""

    def some(values: tuple[float | None, ...]) -> tuple[float | None, ...]:
        return tuple(None if rng.random() < share else value for value in values)

    window = {
        name: node if name == case.system.target else Node(some(node.requests), some(node.cost))
        for name, node in case.window.items()
    }
    return Case(case.system, "sparse", case.causes, case.calls, window, case.normal)


def suitable(system: System) -> list[str]:
    """Nodes that the target reaches and that get a request or more per step."""
    reached, todo = {system.target}, [system.target]
    while todo:
        for callee in system.calls.get(todo.pop(), ()):
            if callee in system.nodes and callee not in reached:
                reached.add(callee)
                todo.append(callee)
    return sorted(name for name in reached if median(value or 0.0 for value in system.nodes[name].requests) >= 1)


def faulty_case(system: System, kind: str, cause: str, sigmas: float, rng: random.Random) -> Case | None:
    """The fault at `cause`, or None when no fault there could be felt at the target."""
    case = quiet_case(system, rng)
    window = {name: ([value or 0.0 for value in node.requests], list(node.cost)) for name, node in case.window.items()}
    normal, calls = case.normal, case.calls
    if cause not in window or system.target not in window:
        return None
    usual = sorted(value for value in system.nodes[system.target].cost if value is not None)
    middle = median(usual)
    spread = max(
        1.4826 * median(abs(value - middle) for value in usual),
        (usual[round(0.975 * (len(usual) - 1))] - middle) / 1.96,
    )
    if spread <= 0:
        return None
    shape = (
        [0.0, 0.0, rng.uniform(0.6, 1), 1.0, rng.uniform(0.6, 1)]
        if kind == "late"
        else [0.0, rng.uniform(0.1, 1), 1.0, rng.uniform(0.5, 1), rng.uniform(0, 0.2)]
    )
    causes = [cause]
    if kind in {"two causes", "three causes"}:
        others = [name for name in suitable(system) if name != cause and name in window]
        causes += rng.sample(others, min(len(others), 1 if kind == "two causes" else 2))
    if kind == "more traffic":
        for counts, _ in window.values():
            counts[1:] = [round(count * 1.5) for count in counts[1:]]
    wanted = sigmas * spread / len(causes)
    touched: set[str] = set()
    for one in causes:
        reached = _travel(system, calls, window, one, wanted, shape, rng)
        if not reached:
            return None
        touched |= reached
    added = _disturb(system, kind, cause, calls, window, shape, touched, rng)
    if added is None:
        return None
    cells = {name: Node(tuple(counts), tuple(costs)) for name, (counts, costs) in window.items()}
    if kind == "gaps":
        cells = {
            name: Node(node.requests, tuple(None if rng.random() < 0.1 else value for value in node.cost))
            for name, node in cells.items()
            if name in {cause, system.target} or rng.random() > 0.1
        }
    if kind == "no normal":
        normal = {}
    case = Case(system, kind, tuple(causes), calls, cells, normal)
    return sparse(case, 0.3, rng) if kind == "sparse" else case


Window = dict[str, tuple[list[float], list[float | None]]]


def _travel(
    system: System, calls: Calls, window: Window, cause: str, wanted: float, shape: list[float], rng: random.Random
) -> set[str]:
    """The nodes to which it added the excess at `cause` and at all who wait for it (none: impossible), so that the target rises by `wanted` at the worst."""
    factor = {cause: 1.0}  # part of the cause's excess seconds that a node gets
    blur: dict[str, float] = {}
    order = _callees_first(calls, window)
    traffic = {name: sum(counts) for name, (counts, _) in window.items()}
    for callee in order:
        if callee not in factor:
            continue
        callers = [name for name in window if callee in calls.get(name, ()) and traffic[name]]
        shares = {name: traffic[name] * math.exp(rng.gauss(0, 0.4)) for name in callers}
        for name in callers:
            lost = blur.setdefault(name, rng.uniform(0.75, 1.0))
            if name != callee:
                factor[name] = factor.get(name, 0.0) + lost * factor[callee] * shares[name] / sum(shares.values())
    if not factor.get(system.target):
        return set()
    served = max(window[system.target][0][1:])
    needed = wanted * served / factor[system.target]
    share_of_all = 0.9 if system.metric == "availability" else math.inf
    for step, height in enumerate(shape):
        for name, part in factor.items():
            count, cost = window[name][0][step], window[name][1][step]
            if height and count and cost is not None:
                extra = needed * part * height / count * math.exp(rng.gauss(0, 0.1))
                if name == cause and extra > (share_of_all if system.metric == "availability" else 30.0):
                    return set()
                window[name][1][step] = min(cost + extra, 1.0) if system.metric == "availability" else cost + extra
    return set(factor)


def _callees_first(calls: Calls, window: Window) -> list[str]:
    order: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        seen.add(name)
        for callee in calls.get(name, ()):
            if callee in window and callee not in seen:
                visit(callee)
        order.append(name)

    for name in sorted(window):
        if name not in seen:
            visit(name)
    return order


def _disturb(
    system: System,
    kind: str,
    cause: str,
    calls: Calls,
    window: Window,
    shape: list[float],
    touched: set[str],
    rng: random.Random,
) -> bool | None:
    """What comes on top of the plain fault. None: this kind is impossible at this node."""
    usual = system.nodes
    if kind == "vanished":
        if cause == system.target or calls.get(cause):
            return None
        for step, height in enumerate(shape):
            if height >= 0.3:
                window[cause][0][step], window[cause][1][step] = 0.0, None
    elif kind == "back pressure":
        callees = [one for one in calls.get(cause, ()) if one in window and one != cause]
        if not callees:
            return None
        for one in callees:
            rise = rng.uniform(0.1, 0.4) / len(callees)
            for step, height in enumerate(shape):
                mean = median(value or 0.0 for value in usual[cause].cost)
                mine, base = window[cause][1][step], window[cause][1][0]
                count, cost = window[one][0][step], window[one][1][step]
                if mine is not None and base is not None and count and cost is not None and height:
                    window[one][1][step] = (
                        cost + rise * max(0.0, mine - max(base, mean)) * window[cause][0][step] / count
                    )
                    if system.metric == "availability":
                        window[one][1][step] = min(1.0, window[one][1][step] or 0.0)
    elif kind == "mirror":
        if cause == system.target:
            return None
        part = rng.uniform(0.1, 0.35)
        counts, costs = window[cause]
        window["mirror_remote"] = ([round(count * part) * 1.0 for count in counts], list(costs))
        for callees in calls.values():
            if cause in callees:
                callees.append("mirror_remote")
    elif kind == "new node":
        if calls.get(cause):
            return None
        counts = [
            math.ceil(count * 0.6) if height else 0 for count, height in zip(window[cause][0], shape, strict=True)
        ]
        window["new"] = (
            [float(count) for count in counts],
            [0.9 * (value or 0.0) if count else None for value, count in zip(window[cause][1], counts, strict=True)],
        )
        calls.setdefault(cause, []).append("new")
    elif kind == "cycle":
        names = sorted(window)
        for _ in range(3):
            caller, callee = rng.sample(names, 2)
            if caller != system.target and caller not in calls.get(callee, ()) and not calls.get(caller):
                calls.setdefault(caller, []).append(callee)
    elif kind == "flapping":
        rare = [name for name in window if name not in touched and sum(window[name][0]) < 100]
        for name in rare[:3]:
            for step, cost in enumerate(window[name][1]):
                everything = [value for value in usual[name].cost if value is not None]
                if cost is not None and everything:
                    window[name][1][step] = rng.choice(everything)
    return True
