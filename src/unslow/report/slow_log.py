"""The summary of slow statements in log files."""

from __future__ import annotations

import msgspec

from unslow.evidence.logs import SlowLog
from unslow.report.words import ms, plain


def render(log: SlowLog, top: int) -> str:
    """A table, most total time first."""
    rows = [f"{log.lines} slow statements of {len(log.statements)} shapes in {log.bytes / 1e6:.1f} MB", ""]
    rows.append(f"{'total':>10} {'calls':>8} {'mean':>10} {'max':>10}  statement")
    for one in log.statements[:top]:
        mean_ms = one.total_s / one.count * 1e3
        rows.append(
            f"{ms(one.total_s * 1e3):>10} {one.count:>8} {ms(mean_ms):>10} {ms(one.max_s * 1e3):>10}  {plain(one.text)[:160]}"
        )
    return "\n".join(rows) + "\n"


def to_json(log: SlowLog) -> str:
    return msgspec.json.format(msgspec.json.encode(log), indent=2).decode() + "\n"
