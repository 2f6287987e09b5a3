"""Which service is at fault, from traces alone: self time above its reference, and gaps between services.

Self time of an operation beyond its usual (a trimmed mean) is the service's own. The time of a client span that
its server span does not explain (network, connection, queue before the server) lies between two services.
It is shared by how well each end fits: a service whose network is slow delays all the calls that it makes
(as a caller) or all that it gets (as a callee), so an end whose other edges are as fast as ever is hardly
the cause. A span with callees that starts within a childless sibling of its own service is that sibling's
callee: some tracers report a wrapper beside what it wraps, and the wrapper does not work while it waits.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from unslow.evidence.span import Span
from unslow.measure.locate_confidence import calibrated, even_normal
from unslow.measure.self_time import self_times_ns
from unslow.measure.span_tree import Forest, plant

BLOCKS = 24
DRAWS = 60
ALLOTTED = 0.4
"""Standard deviation of the logarithm of an allotted gap: in 19 of 20 cases it is 0.5 to 2.2 times what was allotted."""
LEVEL, SLOPE = -0.08, 0.63
"""Logistic curve from the share of draws to the share of right answers, of 516 faults put into random traces."""
ALIKE = 0.5
"""An edge fits the delay of another when it is slower by at least half as much per call."""

Edge = tuple[str, str]


class ServiceExcess(msgspec.Struct, frozen=True, kw_only=True):
    service: str
    excess_s: float
    """Own and allotted network seconds of all spans together, beyond the reference."""
    own_s: float
    network_s: float
    confidence: float = 0.0
    """Probability that it is the cause, 0..1."""


class _Stretch(NamedTuple):
    """Time of one span in which none of its callees worked."""

    service: str
    operation: str
    callee: str
    """Service of the server span below it; empty: the time is the service's own."""
    self_ns: int
    trace: str


class _Excess:
    """Sums over some traces, in seconds beyond the usual."""

    def __init__(self) -> None:
        self.own: dict[str, float] = defaultdict(float)
        self.gaps: dict[Edge, float] = defaultdict(float)
        self.calls: dict[Edge, float] = defaultdict(float)

    def add(self, other: _Excess, weight: float) -> None:
        for service, seconds in other.own.items():
            self.own[service] += weight * seconds
        for edge, seconds in other.gaps.items():
            self.gaps[edge] += weight * seconds
            self.calls[edge] += weight * other.calls[edge]

    def services(self) -> dict[str, tuple[float, float]]:
        """Service -> own and allotted network seconds."""
        network = _allotted(self.gaps, self.calls)
        return {one: (self.own.get(one, 0.0), network.get(one, 0.0)) for one in {*self.own, *network}}


def locate_spans(
    reference: Iterable[Span], incident: Iterable[Span], before: Iterable[Span] = ()
) -> tuple[ServiceExcess, ...]:
    """Services by the seconds that they explain in the incident, most first; ties by name.

    `before` ran just before the alert. It may be ill already, so it is asked only for operations that
    the fault-free `reference` has not seen; those that neither has seen say nothing of a change.
    """
    usual = {**_usual_ns(before), **_usual_ns(reference)}
    # Traces next to each other in the order of their names, which says nothing of them, are drawn together.
    parts: dict[str, _Excess] = defaultdict(_Excess)
    for one in _stretches(incident):
        normal = usual.get(one[:3])
        if normal is None:
            continue
        excess_s = (one.self_ns - normal) / 1e9
        part = parts[one.trace]
        if one.callee:
            part.gaps[one.service, one.callee] += excess_s
            part.calls[one.service, one.callee] += 1
        else:
            part.own[one.service] += excess_s
    blocks = [_Excess() for _ in range(min(BLOCKS, len(parts)))]
    whole = _Excess()
    for at, trace in enumerate(sorted(parts)):
        blocks[at % BLOCKS].add(parts[trace], 1.0)
        whole.add(parts[trace], 1.0)
    sure = _confidences(whole, blocks)
    found = (
        ServiceExcess(
            service=service,
            excess_s=own + network,
            own_s=own,
            network_s=network,
            confidence=sure.get(service, 0.0),
        )
        for service, (own, network) in whole.services().items()
    )
    return tuple(sorted(found, key=lambda one: (-one.excess_s, one.service)))


def _confidences(whole: _Excess, blocks: Sequence[_Excess]) -> dict[str, float]:
    """Service -> probability that it is the cause: how often it is first when the traces are drawn again."""
    if not blocks:
        return {}
    chance = even_normal()
    wins: dict[str, int] = defaultdict(int)
    for _ in range(DRAWS):
        drawn = _Excess()
        for block in blocks:
            drawn.add(block, math.exp(next(chance)))
        services = drawn.services()
        # What is allotted between two ends is less sure than what is measured at one.
        blurred = {
            one: services[one][0] + services[one][1] * math.exp(ALLOTTED * next(chance)) for one in sorted(services)
        }
        wins[_first(blurred)] += 1
    first = _first({one: own + network for one, (own, network) in whole.services().items()})
    sure = calibrated(wins[first] / DRAWS, LEVEL, SLOPE)
    rest = DRAWS - wins[first]
    return {one: sure if one == first else (1 - sure) * count / rest for one, count in wins.items()}


def _first(excess: Mapping[str, float]) -> str:
    return min(excess, key=lambda name: (-excess[name], name))


def _usual_ns(spans: Iterable[Span]) -> dict[tuple[str, str, str], float]:
    times: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for one in _stretches(spans):
        times[one[:3]].append(one.self_ns)
    return {key: _middle(values) for key, values in times.items()}


def _stretches(spans: Iterable[Span]) -> list[_Stretch]:
    forest = plant(_nested(plant(spans)))
    found: list[_Stretch] = []
    for at, (span, own_ns) in enumerate(zip(forest.spans, self_times_ns(forest), strict=True)):
        callees = sorted(
            forest.spans[child].service for child in forest.children[at] if forest.spans[child].service != span.service
        )
        found.append(_Stretch(span.service, span.name, callees[0] if callees else "", own_ns, span.trace_id))
    return found


def _nested(forest: Forest) -> list[Span]:
    """The spans, those that begin within a childless sibling of the same service hung below it."""
    spans = list(forest.spans)
    for children in forest.children:
        wrappers = [child for child in children if not forest.children[child]]
        for child in children:
            if not forest.children[child]:
                continue
            for wrapper in wrappers:
                if spans[wrapper].service == spans[child].service and _begun_within(forest, child, wrapper):
                    parent = spans[wrapper].span_id
                    spans[child] = msgspec.structs.replace(spans[child], parent_span_id=parent)
                    break
    return spans


def _begun_within(forest: Forest, inner: int, outer: int) -> bool:
    starts = forest.starts_ns
    return starts[outer] <= starts[inner] < forest.end_ns(outer)


def _allotted(gaps: Mapping[Edge, float], calls: Mapping[Edge, float]) -> dict[str, float]:
    """The gap of each edge shared between its two ends."""
    network: dict[str, float] = defaultdict(float)
    for edge in sorted(gaps):
        if gaps[edge] <= 0:
            continue
        least_s = ALIKE * gaps[edge] / calls[edge]
        delayed = {other for other in calls if gaps[other] >= least_s * calls[other]}
        caller, callee = edge
        fits = (
            _share(calls, delayed, [one for one in calls if one[0] == caller])
            * _share(calls, delayed, [one for one in calls if caller in one]),
            _share(calls, delayed, [one for one in calls if one[1] == callee])
            * _share(calls, delayed, [one for one in calls if callee in one]),
        )
        for end, fit in zip(edge, fits, strict=True):
            network[end] += gaps[edge] * fit / sum(fits)
    return network


def _share(calls: Mapping[Edge, float], delayed: Container[Edge], edges: Sequence[Edge]) -> float:
    """Share of the calls over `edges` that went over a delayed one."""
    return sum(calls[one] for one in edges if one in delayed) / sum(calls[one] for one in edges)


def _middle(values: Sequence[int]) -> float:
    """The mean without the most and the least twentieth."""
    ordered = sorted(values)
    cut = len(ordered) // 20
    kept = ordered[cut : len(ordered) - cut]
    return sum(kept) / len(kept)
