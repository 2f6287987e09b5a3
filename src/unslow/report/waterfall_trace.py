"""Requests as waterfalls of their spans, side by side, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from unslow.diagnosis import TraceBar, TracedRequest
from unslow.report.words import ms, plain

WIDTH, ROW, BAR, TOP = 460, 30, 9, 22
INDENT, DEEPEST = 9, 12
COLOURS = 7
SHORTEST = 1.2
ALIKE = 4.0
"""Requests that differ more would leave nothing to see of the shorter one on the scale of the longer."""


def svg(requests: Sequence[TracedRequest]) -> tuple[tuple[TracedRequest, str], ...]:
    """Each request with its picture. Pale: the span lasts; strong: the answer waited for it."""
    longest = max([*(request.ms for request in requests), 1e-9])
    one_scale = on_one_scale(requests)
    services = list(dict.fromkeys(bar.service for request in requests for bar in request.bars))
    colour = {service: number % COLOURS + 1 for number, service in enumerate(services)}
    return tuple(
        (request, _picture(request, longest if one_scale else max(request.ms, 1e-9), colour)) for request in requests
    )


def on_one_scale(requests: Sequence[TracedRequest]) -> bool:
    times = [request.ms for request in requests]
    return not times or max(times) <= ALIKE * min(times)


def _picture(request: TracedRequest, longest: float, colour: dict[str, int]) -> str:
    scale = WIDTH / longest
    high = TOP + ROW * len(request.bars)
    parts = [
        f'<svg class="trace" viewBox="0 0 {WIDTH} {high}" role="img" '
        f'aria-label="Spans of the {request.kind} request, {ms(request.ms)}">',
        f'<path class="grid" d="M0,{TOP - 4} H{WIDTH}"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        anchor = {0.0: "start", 0.5: "middle", 1.0: "end"}[share]
        parts.append(
            f'<text class="axis" x="{WIDTH * share:.0f}" y="12" text-anchor="{anchor}">{ms(longest * share) if share else 0}</text>'
        )
    end = request.ms * scale
    parts.append(f'<path class="grid" d="M{end:.1f},{TOP - 4} V{high}" stroke-dasharray="3 3"/>')
    parts += [_row(bar, TOP + ROW * number, scale, colour[bar.service]) for number, bar in enumerate(request.bars)]
    return "".join([*parts, "</svg>"])


def _row(bar: TraceBar, y: float, scale: float, colour: int) -> str:
    own = sum(end - start for start, end in bar.critical)
    label = f"{bar.service}: {bar.name}" + (" (failed)" if bar.failed else "")
    told = f"{plain(label)}: {ms(bar.ms)}, {ms(own)} of it on the critical path"
    left = max(0.0, bar.start_ms * scale)
    wide = max(SHORTEST, min(WIDTH - left, bar.ms * scale))
    indent = INDENT * min(bar.depth, DEEPEST)
    critical = "".join(
        f'<rect class="critical" x="{start * scale:.1f}" y="{y + 15}" width="{max(SHORTEST, (end - start) * scale):.1f}" height="{BAR}"/>'
        for start, end in bar.critical
    )
    value = f"{ms(own)} own" if own * scale >= SHORTEST else ms(bar.ms)
    return (
        f'<g class="s{colour}"><title>{escape(told)}</title>'
        f'<text class="{"failed" if bar.failed else "label"}" x="{indent}" y="{y + 11}">{escape(_short(label, bar.depth))}</text>'
        f'<text class="value" x="{WIDTH}" y="{y + 11}" text-anchor="end">{value}</text>'
        f'<rect class="span" x="{left:.1f}" y="{y + 15}" width="{wide:.1f}" height="{BAR}" rx="2"/>{critical}</g>'
    )


def _short(text: str, depth: int) -> str:
    text = plain(text)
    room = 54 - 2 * min(depth, DEEPEST)
    return text if len(text) <= room else text[: room - 1] + "…"
