"""Response times over time, with the onset marked, as inline SVG."""

from __future__ import annotations

from datetime import datetime

from unslow.diagnosis import Diagnosis
from unslow.report.words import ms

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 220, 64, 26, 12


def svg(diagnosis: Diagnosis) -> str:
    """Empty when there are fewer than two points."""
    points = [(_seconds(point.at), point.ms) for point in diagnosis.timeline]
    known = [(at, value) for at, value in points if value is not None]
    if len(known) < 2:
        return ""
    first, last = points[0][0], max(points[-1][0], points[0][0] + 1e-6)
    highest = max(value for _, value in known) * 1.08 or 1.0

    def x(at: float) -> float:
        return LEFT + (at - first) / (last - first) * (WIDTH - LEFT - 10)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / highest * (HEIGHT - BOTTOM - TOP)

    parts = [f'<svg class="latency" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Response times over time">']
    for step in range(5):
        value = highest * step / 4
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 10}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
            f'<text class="axis" x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{ms(value)}</text>'
        )
    parts += [f'<circle class="point" cx="{x(at):.1f}" cy="{y(value):.1f}" r="2.4"/>' for at, value in known]
    mean = diagnosis.account.now_ms
    if 0 < mean < highest:
        parts.append(f'<line class="mean" x1="{LEFT}" x2="{WIDTH - 10}" y1="{y(mean):.1f}" y2="{y(mean):.1f}"/>')
    if diagnosis.onset:
        at = x(_seconds(diagnosis.onset))
        parts.append(
            f'<line class="onset" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            f'<text class="axis" x="{at + 5:.1f}" y="{TOP + 10}">onset</text>'
        )
    parts.append(f'<text class="axis" x="{LEFT}" y="{HEIGHT - 8}">{diagnosis.timeline[0].at[11:19]} UTC</text>')
    parts.append(
        f'<text class="axis" x="{WIDTH - 10}" y="{HEIGHT - 8}" text-anchor="end">{diagnosis.timeline[-1].at[11:19]} UTC</text>'
    )
    return "".join([*parts, "</svg>"])


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
