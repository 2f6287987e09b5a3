"""Which of the application's own timers belongs to the target's path."""

from __future__ import annotations

import re

from unslow.evidence.requests import RouteTimer, Timers

PLACEHOLDER = re.compile(r"<[^>]*>|\{[^}]*\}|:[A-Za-z_]\w*")


def route_timer(timers: Timers | None, path: str) -> RouteTimer | None:
    """All series of the route that matches `path`, added up; None when none matches.

    A page that labels no routes has one timer for everything, which is then used.
    """
    if timers is None or not timers.routes:
        return None
    matching = [timer for timer in timers.routes if _matches(timer.route, path)]
    if not matching and {timer.route for timer in timers.routes} == {""}:
        matching = list(timers.routes)
    return _sum(matching) if matching else None


def _matches(route: str, path: str) -> bool:
    if not route.startswith("/"):
        return False
    if route.rstrip("/") == path.rstrip("/"):
        return True
    if not PLACEHOLDER.search(route):
        return False
    pattern = "[^/]+".join(re.escape(literal) for literal in PLACEHOLDER.split(route))
    return re.fullmatch(pattern, path) is not None


def _sum(timers: list[RouteTimer]) -> RouteTimer:
    edges: dict[float, float] = {}
    for timer in timers:
        for edge, count in timer.buckets:
            edges[edge] = edges.get(edge, 0.0) + count
    return RouteTimer(
        route=timers[0].route,
        count=sum(timer.count for timer in timers),
        sum_s=sum(timer.sum_s for timer in timers),
        buckets=tuple(sorted(edges.items())),
    )
