"""How numbers are written in every report."""

from __future__ import annotations

import re

from unslow.diagnosis import AccountTable, Diagnosis

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Without control characters and direction marks: a log line must not steer a terminal."""
    return CONTROL.sub("�", text.replace("\n", " ").replace("\t", " "))


def ms(value: float) -> str:
    """`0.4 ms`, `12.3 ms`, `123 ms`, `1.24 s`."""
    size = abs(value)
    if size >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.0f} ms" if size >= 100 else f"{value:.1f} ms"


def signed(value: float) -> str:
    return f"{'+' if value >= 0 else '-'}{ms(abs(value))}"


def interval(bounds: tuple[float, float]) -> str:
    return f"{ms(bounds[0])} to {ms(bounds[1])}"


def percent(ratio: float) -> str:
    return f"{ratio * 100:.0f} %"


def explains_total(diagnosis: Diagnosis) -> bool:
    """Without a reference the account explains the whole response time, not an increase."""
    return diagnosis.reference.kind == "none"


def unexplained_share(account: AccountTable) -> float:
    return account.unexplained_ms / account.excess_ms if account.excess_ms else 0.0
