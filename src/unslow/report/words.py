"""How numbers are written in every report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from unslow.diagnosis import AccountLine, AccountTable, Diagnosis, ServiceMap, Where

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


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def unexplained_share(account: AccountTable) -> float:
    return account.unexplained_ms / account.excess_ms if account.excess_ms else 0.0


SERVICES = "Which service, by its own time per traced request"
MOST_PLACES = 5
LEAST_SHARE = 0.05
"""Of the worst service; less is no answer to where."""
SMALL_MS = 0.5
"""People do not act on less; programs get every line in the JSON document."""


def readable(lines: Sequence[AccountLine]) -> list[AccountLine]:
    """The lines, with the smallest ones as one; the sum stays."""
    small = [line for line in lines if max(abs(line.before_ms), abs(line.now_ms)) < SMALL_MS]
    large = [line for line in lines if line not in small]
    if len(small) < 2:
        return list(lines)
    low, high = (sum(line.interval_ms[side] for line in small) for side in (0, 1))
    pooled = AccountLine(
        id="small",
        where=Where(service=small[0].where.service, place=f"{len(small)} lines below {SMALL_MS} ms together"),
        kind="other",
        before_ms=sum(line.before_ms for line in small),
        now_ms=sum(line.now_ms for line in small),
        excess_ms=sum(line.excess_ms for line in small),
        interval_ms=(low, high),
        evidence=(),
        share=sum(line.share for line in small),
    )
    return [*large, pooled]


def by_service(services: ServiceMap | None) -> list[tuple[str, str]]:
    """(service or way between two, its own milliseconds in words), most to blame first; only what matters."""
    if services is None:
        return []
    places = [(node.service, node.now_ms, node.before_ms) for node in services.nodes]
    places += [(f"{call.caller} to {call.callee}", call.now_ms, call.before_ms) for call in services.calls]
    added = {place: now - (before or 0.0) for place, now, before in places}
    worst = max(added.values())
    return [
        (place, ms(now) if before is None else f"{signed(added[place])}, {ms(before)} before")
        for place, now, before in sorted(places, key=lambda one: (-added[one[0]], one[0]))
        if added[place] >= LEAST_SHARE * worst > 0
    ][:MOST_PLACES]


class Gap(NamedTuple):
    """What was missing, what would bring it, and everything that was left out for it."""

    missing: str
    remedy: str
    names: tuple[str, ...]


def gaps(diagnosis: Diagnosis) -> list[Gap]:
    """Checks and collectors that could not do their work, by the reason; the reason that cost most comes first."""
    found: dict[tuple[str, str], list[str]] = {}
    left_out = [(one.check, one.missing, one.remedy) for one in diagnosis.skipped]
    left_out += [(one.name, one.missing, one.remedy) for one in diagnosis.probes if one.result != "ok"]
    for name, missing, remedy in left_out:
        names = found.setdefault((missing, remedy), [])
        if name not in names:
            names.append(name)
    grouped = [Gap(missing, remedy, tuple(names)) for (missing, remedy), names in found.items()]
    return sorted(grouped, key=lambda gap: -len(gap.names))
