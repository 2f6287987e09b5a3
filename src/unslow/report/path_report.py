"""Critical-path totals as text and as JSON."""

from __future__ import annotations

import msgspec

from unslow.measure.path_totals import Counts, PathTotals


def to_json(totals: PathTotals) -> str:
    """Nanoseconds of own time on the critical path, most first."""
    document = {
        "traces": totals.traces,
        "spans": totals.spans,
        "operations": [
            {"service": service, "name": name, "critical_ns": ns} for (service, name), ns in _ranked(totals)
        ],
        "excluded": dict(totals.excluded),
        "repaired": dict(totals.repaired),
    }
    return msgspec.json.encode(document).decode() + "\n"


def render(totals: PathTotals, top: int) -> str:
    """One line per operation."""
    whole_ns = sum(totals.own_ns.values())
    ranked = _ranked(totals)
    lines = [
        f"{totals.spans:,} spans in {totals.traces:,} traces; {whole_ns / 1e6:,.3f} ms on critical paths",
        "",
        f"{'operation':60} {'critical ms':>14} {'share':>7}",
    ]
    for (service, name), ns in ranked[:top]:
        lines.append(f"{_short(f'{service}: {name}'):60} {ns / 1e6:14,.3f} {ns / (whole_ns or 1):7.1%}")
    if len(ranked) > top:
        lines.append(f"... and {len(ranked) - top} more; --top {len(ranked)} shows them")
    lines += [
        f"{word}: {_told(counts)}"
        for word, counts in (("left out", totals.excluded), ("mended", totals.repaired))
        if counts
    ]
    return "\n".join(lines) + "\n"


def _ranked(totals: PathTotals) -> list[tuple[tuple[str, str], int]]:
    return sorted(totals.own_ns.items(), key=lambda item: (-item[1], item[0]))


def _told(counts: Counts) -> str:
    return ", ".join(f"{count:,} x {reason}" for reason, count in counts)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
