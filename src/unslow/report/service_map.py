"""Who calls whom, and where the time is: services in columns from the target to the right, as inline SVG."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from html import escape
from typing import NamedTuple

from unslow.diagnosis import ServiceCall, ServiceMap, ServiceNode
from unslow.report.words import ms, plain, signed

LABELLED = 8
"""With more lines than that only those with the most time are labelled."""
FEW = 5
BOX, HIGH, GAP_X, GAP_Y, EDGE = 184, 58, 96, 22, 8
MAX_NODES = 40
THIN, THICK, MUCH = 1.4, 6.0, 0.2
"""Width of a line; from this share of the most on it is drawn as a cause."""
SHARE_SHOWN = 0.03
"""Of the largest."""
SMALL = 10
"""So many services are shown whether they matter or not."""
FAINT, FULL = 0.12, 0.92
"""Opacity of the fill from no milliseconds to the most."""
SMALLEST = 0.7
"""Of the drawn size: on a narrow screen it scrolls instead of becoming unreadable."""
SAME = 0.5
"""Milliseconds that nobody acts on."""


class _At(NamedTuple):
    x: float
    y: float


def svg(services: ServiceMap | None) -> str:
    """One box per service, one line per pair that calls; empty without a map."""
    if services is None:
        return ""
    nodes, calls = _shown(services)
    places = _places(nodes, calls)
    wide = max(at.x for at in places.values()) + BOX + EDGE
    high = max(at.y for at in places.values()) + HIGH + EDGE
    most = max([*(abs(_weight(node)) for node in nodes.values()), *(abs(_weight(call)) for call in calls), 1e-9])
    parts = [
        f'<svg class="map" viewBox="0 0 {wide:.0f} {high:.0f}" style="max-width:{wide:.0f}px;--least:{SMALLEST * wide:.0f}px" role="img" '
        f'aria-label="Map of {len(nodes)} services">'
    ]
    told = calls if len(calls) <= LABELLED else sorted(calls, key=lambda call: -abs(_weight(call)))[:FEW]
    parts += [_line(call, places, _weight(call) / most) for call in calls]
    parts += [_box(node, places[node.service], _weight(node) / most) for node in nodes.values()]
    parts += [_label(call, places) for call in told]
    return "".join([*parts, "</svg>"])


def _shown(services: ServiceMap) -> tuple[dict[str, ServiceNode], list[ServiceCall]]:
    """All of a small map; of a large one what has milliseconds, and the way there from the target."""
    if len(services.nodes) <= SMALL:
        wanted = {node.service for node in services.nodes}
    else:
        least = least_ms(services)
        wanted = {node.service for node in services.nodes if node.target or abs(_weight(node)) >= least}
        largest = [call for call in services.calls if abs(_weight(call)) >= least]
        wanted |= {end for call in largest for end in (call.caller, call.callee)}
        caller: dict[str, str] = {}
        waiting = [node.service for node in services.nodes if node.target]
        for name in waiting:  # grows while it is walked
            for call in services.calls:
                if call.caller == name and call.callee not in caller and call.callee not in waiting:
                    caller[call.callee] = name
                    waiting.append(call.callee)
        for name in tuple(wanted):
            while name in caller and caller[name] not in wanted:
                name = caller[name]
                wanted.add(name)
    nodes = {node.service: node for node in services.nodes if node.service in wanted}
    nodes = dict(list(nodes.items())[:MAX_NODES])
    return nodes, [call for call in services.calls if call.caller in nodes and call.callee in nodes]


def least_ms(services: ServiceMap) -> float:
    """What a service of a large map must have to be shown for its own sake."""
    most = max([*(abs(_weight(node)) for node in services.nodes), *(abs(_weight(call)) for call in services.calls)])
    return max(SAME, SHARE_SHOWN * most)


def left_out(services: ServiceMap | None) -> int:
    """How many services the picture does not show."""
    return len(services.nodes) - len(_shown(services)[0]) if services else 0


def _weight(node: ServiceNode | ServiceCall) -> float:
    """What is new in it; all of it where nobody knows what it was before."""
    return node.now_ms - (node.before_ms or 0.0)


def _places(nodes: Mapping[str, ServiceNode], calls: list[ServiceCall]) -> dict[str, _At]:
    """Columns by the longest way from the target, the service with the most time of a column on top."""
    column = _columns(nodes, calls)
    rows: dict[int, int] = defaultdict(int)
    places = {}
    tallest = max(list(column.values()).count(number) for number in set(column.values()))
    for name in nodes:
        number = column[name]
        spare = (tallest - list(column.values()).count(number)) / 2
        places[name] = _At(EDGE + number * (BOX + GAP_X), EDGE + (rows[number] + spare) * (HIGH + GAP_Y))
        rows[number] += 1
    return places


def _columns(nodes: Mapping[str, ServiceNode], calls: list[ServiceCall]) -> dict[str, int]:
    callees: dict[str, list[str]] = defaultdict(list)
    for call in calls:
        callees[call.caller].append(call.callee)
    called = {call.callee for call in calls if call.callee != call.caller}
    first = [name for name, node in nodes.items() if node.target] or [name for name in nodes if name not in called]
    column = dict.fromkeys(nodes, 0)
    ways: list[tuple[str, ...]] = [(name,) for name in first]
    for way in ways:  # grows while it is walked
        for callee in callees[way[-1]]:
            # Whoever is on the way already calls back: that line goes to the left.
            if callee not in way and column[callee] < len(way):
                column[callee] = len(way)
                ways.append((*way, callee))
    return column


def _box(node: ServiceNode, at: _At, share: float) -> str:
    style = "cause" if share > 0 else "down"
    opacity = FAINT + (FULL - FAINT) * abs(share)
    value = ms(node.now_ms) if node.before_ms is None else f"{signed(_weight(node))}"
    told = f"{ms(node.now_ms)} a request" + ("" if node.before_ms is None else f", before {ms(node.before_ms)}")
    frame = " untraced" if not node.traced else ""
    dark = " strong" if opacity > 0.55 else ""
    return (
        f'<g class="node{frame}{dark}"><title>{escape(plain(node.service))}: {told}</title>'
        f'<rect class="back" x="{at.x:.1f}" y="{at.y:.1f}" width="{BOX}" height="{HIGH}" rx="7"/>'
        f'<rect class="{style}" x="{at.x:.1f}" y="{at.y:.1f}" width="{BOX}" height="{HIGH}" rx="7" fill-opacity="{opacity:.2f}"/>'
        f'<text class="name" x="{at.x + 12:.1f}" y="{at.y + 23:.1f}">{escape(_short(node.service))}</text>'
        f'<text class="own" x="{at.x + 12:.1f}" y="{at.y + 44:.1f}">{value}{"" if node.traced else " (not traced)"}</text></g>'
    )


def _line(call: ServiceCall, places: Mapping[str, _At], share: float) -> str:
    begin, end = places[call.caller], places[call.callee]
    back = end.x <= begin.x
    x1, y1 = (begin.x + BOX / 2, begin.y + HIGH) if back else (begin.x + BOX, begin.y + HIGH / 2)
    x2, y2 = (end.x + BOX / 2, end.y + HIGH) if back else (end.x, end.y + HIGH / 2)
    bend = GAP_Y * 0.9 if back else 0.0
    middle = (x1 + x2) / 2
    path = (
        f"M{x1:.1f},{y1:.1f} C{x1:.1f},{y1 + bend:.1f} {x2:.1f},{y2 + bend:.1f} {x2:.1f},{y2:.1f}"
        if back
        else f"M{x1:.1f},{y1:.1f} C{middle:.1f},{y1:.1f} {middle:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"
    )
    told = f"{call.calls:.3g} calls a request, {ms(call.now_ms)} on the way"
    if call.before_ms is not None:
        told += f", before {ms(call.before_ms)}"
    title = escape(plain(f"{call.caller} to {call.callee}"))
    style, stroke = ("call much", THIN + (THICK - THIN) * share) if share >= MUCH else ("call", THIN)
    return f'<g class="{style}"><title>{title}: {told}</title><path d="{path}" stroke-width="{stroke:.1f}"/></g>'


def _label(call: ServiceCall, places: Mapping[str, _At]) -> str:
    begin, end = places[call.caller], places[call.callee]
    if end.x <= begin.x:
        return ""
    # Before the callee, in the gap between two columns: a long line passes over boxes elsewhere.
    adjacent = end.x - begin.x <= BOX + GAP_X
    x, y = end.x - GAP_X / 2, (begin.y + end.y + HIGH) / 2 if adjacent else end.y + HIGH / 2
    weight = _weight(call)
    way = ms(call.now_ms) if call.before_ms is None else signed(weight)
    below = way if abs(weight) >= SAME else ""
    return (
        f'<text class="axis" x="{x:.1f}" y="{y - 6:.1f}" text-anchor="middle">{call.calls:.2g}×</text>'
        f'<text class="axis" x="{x:.1f}" y="{y + 15:.1f}" text-anchor="middle">{below}</text>'
    )


def _short(text: str) -> str:
    text = plain(text)
    return text if len(text) <= 21 else text[:20] + "…"
