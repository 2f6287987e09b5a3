"""The truth about the shop: what its visitors saw and what its own timers say, independently of any diagnosis."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

RECORD = struct.Struct("<dd16s")
"""As `apps/stopwatch.py` writes it; the services run on their own and are not imported here."""
WHOLE = "request"
"""The timer around the whole main request."""
QUEUE = "queue"
"""What no timer inside the application sees: the visitor's time minus the whole request."""


@dataclass(frozen=True)
class RouteTimes:
    mean_ms: float
    """From the moment each visit was due to its last byte; failed ones left out."""
    n: int
    failed: int = 0


@dataclass(frozen=True)
class Seen:
    """One stretch of time, by the visitors and by the timers."""

    routes: Mapping[str, RouteTimes]
    parts: Mapping[str, float]
    """Milliseconds per main request: each timed part, and `queue`."""


@dataclass(frozen=True)
class Truth:
    """From the mark on, in milliseconds per request."""

    mean_ms: float
    """Of the route at `Lab.url`, as the visitors saw it."""
    n: int
    healthy_ms: float
    """The same before any fault; 0 when the healthy shop was not watched (`baseline_s=0`)."""
    failed: int
    injected: Mapping[str, float] = field(default_factory=dict)
    """What each fault adds by the timers inside the application: its parts now minus the same parts before."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """Every timed part of the main route."""
    routes: Mapping[str, RouteTimes] = field(default_factory=dict)

    @property
    def injected_ms(self) -> float:
        """What the visitors lose to all faults together."""
        return self.mean_ms - self.healthy_ms


def look(visits: Path, timers: Path, main_route: str, start_s: float, end_s: float) -> Seen:
    """All that was due, and all that was timed, in [start_s, end_s)."""
    routes = _routes(visits, start_s, end_s)
    parts = _parts(timers, start_s, end_s)
    main = routes.get(main_route)
    if main is not None and WHOLE in parts:
        parts[QUEUE] = main.mean_ms - parts[WHOLE]
    return Seen(routes, parts)


def compare(now: Seen, healthy: Seen | None, route: str, parts_of: Mapping[str, tuple[str, ...]]) -> Truth:
    """`parts_of`: for each fault the timed parts in which its milliseconds are."""
    main = now.routes.get(route, RouteTimes(0.0, 0))
    before = healthy.parts if healthy else {}
    # A route that nobody visited before has no increase.
    healthy_ms = healthy.routes.get(route, main).mean_ms if healthy else 0.0
    injected = {
        fault: sum(now.parts.get(part, 0.0) - before.get(part, 0.0) for part in parts)
        for fault, parts in parts_of.items()
    }
    return Truth(main.mean_ms, main.n, healthy_ms, main.failed, injected, now.parts, now.routes)


def _routes(visits: Path, start_s: float, end_s: float) -> dict[str, RouteTimes]:
    if not visits.exists():
        return {}
    times: dict[str, list[float]] = defaultdict(list)
    failed: dict[str, int] = defaultdict(int)
    for row in map(str.split, visits.read_text().splitlines()):
        if len(row) == 4 and start_s <= float(row[0]) < end_s:
            if row[3] == "1":
                times[row[2]].append(float(row[1]))
            else:
                failed[row[2]] += 1
    return {
        route: RouteTimes(sum(took) / len(took) * 1e3 if took else 0.0, len(took), failed[route])
        for route, took in sorted({**{route: [] for route in failed}, **times}.items())
    }


def _parts(timers: Path, start_s: float, end_s: float) -> dict[str, float]:
    seconds: dict[str, float] = defaultdict(float)
    requests = 0
    for path in timers.glob("*/*"):
        for ended_s, took_s, name in RECORD.iter_unpack(path.read_bytes()):
            if not ended_s:
                break  # the rest was never written
            if start_s <= ended_s < end_s:
                part = name.rstrip(b"\0").decode()
                seconds[part] += took_s
                requests += part == WHOLE
    return {part: total / requests * 1e3 for part, total in seconds.items()} if requests else {}
