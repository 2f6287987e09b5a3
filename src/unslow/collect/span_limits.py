"""What a span can be: its times and texts. Without imports, for the reader that must start fast."""

from __future__ import annotations

EARLIEST_NS = 946_684_800 * 10**9
"""2000-01-01: no tracer is older; an earlier time is an unset or scaled field."""
LATEST_NS = 4_102_444_800 * 10**9
"""2100-01-01."""
LONGEST_NS = 7 * 86_400 * 10**9
MAX_TEXT = 200


def safe_text(raw: str) -> str:
    """Shortened, without control characters."""
    short = raw[:MAX_TEXT]
    return short if short.isprintable() else "".join(c if c.isprintable() else "?" for c in short)
