"""The account as a waterfall: before -> each line -> unexplained -> now, as inline SVG."""

from __future__ import annotations

from html import escape

from unslow.diagnosis import Diagnosis
from unslow.report.words import explains_total, ms, plain, signed

WIDTH, ROW, LABEL, VALUE = 760, 26, 300, 86
SHOWN_MS = 0.5


def svg(diagnosis: Diagnosis) -> str:
    """One row per line that can be seen; rows add up from left to right."""
    account = diagnosis.account
    rows = _rows(diagnosis)
    highest = max([account.now_ms, account.before_ms, *(max(start, end) for _, start, end, _ in rows), 1e-9])
    lowest = min([0.0, *(min(start, end) for _, start, end, _ in rows)])
    scale = (WIDTH - LABEL - VALUE) / (highest - lowest)
    height = ROW * len(rows) + 6
    parts = [
        f'<svg class="waterfall" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Waterfall of the account, {ms(account.before_ms)} to {ms(account.now_ms)}">'
    ]
    for number, (label, start, end, style) in enumerate(rows):
        y = ROW * number + 3
        left = LABEL + (min(start, end) - lowest) * scale
        wide = max(1.5, abs(end - start) * scale)
        value = ms(end) if style == "total" else signed(end - start)
        parts.append(
            f'<text class="label" x="{LABEL - 10}" y="{y + 16}" text-anchor="end">{escape(_short(label))}</text>'
            f'<rect class="{style}" x="{left:.1f}" y="{y + 3}" width="{wide:.1f}" height="{ROW - 8}" rx="2">'
            f"<title>{escape(plain(label))}: {value}</title></rect>"
            f'<text class="value" x="{left + wide + 6:.1f}" y="{y + 16}">{value}</text>'
        )
    return "".join([*parts, "</svg>"])


def _rows(diagnosis: Diagnosis) -> list[tuple[str, float, float, str]]:
    account = diagnosis.account
    caused = {line for cause in diagnosis.causes for line in cause.lines}
    at = account.before_ms
    rows = [] if explains_total(diagnosis) else [("before", 0.0, at, "total")]
    small = 0.0
    for line in account.lines:
        if abs(line.excess_ms) < SHOWN_MS:
            small += line.excess_ms
            continue
        style = "cause" if line.id in caused else "down" if line.excess_ms < 0 else "line"
        rows.append((f"{line.kind}: {line.where.place}", at, at + line.excess_ms, style))
        at += line.excess_ms
    rows.append(("small lines together", at, at + small, "line"))
    at += small
    rows.append(("unexplained", at, at + account.unexplained_ms, "unexplained"))
    rows.append(("now", 0.0, account.now_ms, "total"))
    return rows


def _short(text: str) -> str:
    text = plain(text)
    return text if len(text) <= 42 else text[:41] + "…"
