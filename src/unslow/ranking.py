"""Findings -> causes: who owns which milliseconds, largest first.

Two rules. A millisecond belongs to one cause: where two findings claim the same line, the surer one
keeps what it claimed and the other gets the rest. And waiting that everybody suffers when workers or
cores are taken (`SHARED`) belongs to whatever takes them: if without a cause's own milliseconds the
workers would be free again, the queue is that cause's consequence.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import msgspec

from unslow.finding import Claim, Finding
from unslow.measure.account import Account
from unslow.measure.quantities import Z95
from unslow.measure.significance import floor_s

SHARED = frozenset({"queue", "cpu contended"})
"""Kinds of line that are a consequence of something else holding workers or cores."""
SURE_ENOUGH = 0.6
"""A finding must be at least this sure before a consequence is moved to it."""
FREE = 0.7
"""Utilization below which queues are short."""


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """A finding with the milliseconds it keeps, by line."""

    check: str
    finding: Finding
    ms_by_line: dict[str, float]
    interval_ms: tuple[float, float]

    @property
    def ms(self) -> float:
        return sum(self.ms_by_line.values())


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """A finding whose milliseconds others explain better."""

    check: str
    because: str


def rank(
    findings: Mapping[str, Finding], account: Account | None, utilization: float | None
) -> tuple[list[Granted], list[Explained]]:
    """Causes, worst first, and findings that turned out to be part of another.

    `utilization`: busy request slots / all slots, 0..1, when known.
    """
    left = {line.id: max(0.0, line.excess_s * 1e3) for line in account.lines} if account else {}
    kind = {line.id: line.kind for line in account.lines} if account else {}
    shares: dict[str, dict[str, float]] = {}
    for check in sorted(findings, key=lambda name: (-findings[name].confidence, name)):
        shares[check] = _take(findings[check].claims, left)
    if account:
        _move_consequences(findings, shares, kind, account, utilization)
    granted, explained = [], []
    for check, ms_by_line in shares.items():
        finding = findings[check]
        ms = sum(ms_by_line.values())
        if account and finding.claims and ms < floor_s(account, normal=False) * 1e3:
            owner = _owner(finding, shares, check)
            explained.append(Explained(check=check, because=f"{finding.because} (explained by {owner})"))
        else:
            interval = _interval_ms(ms_by_line, account)
            granted.append(Granted(check=check, finding=finding, ms_by_line=ms_by_line, interval_ms=interval))
    proven = any(_is_proven(one) for one in granted) and not (account and account.has_reference)
    granted.sort(key=lambda one: (_group(one, proven), -one.ms, -one.finding.confidence, one.check))
    return granted, explained


def _is_proven(one: Granted) -> bool:
    return one.finding.keeps_waiting and one.finding.confidence >= SURE_ENOUGH


def _group(one: Granted, proven: bool) -> int:
    """Milliseconds first. But where capacity is proven to be missing, a doubtful cause comes after it: without a
    reference its milliseconds may be what the service always takes."""
    if one.ms > 0:
        return 2 if proven and one.finding.confidence < SURE_ENOUGH else 0
    return 1 if _is_proven(one) else 3


def _take(claims: tuple[Claim, ...], left: dict[str, float]) -> dict[str, float]:
    taken = {}
    for claim in claims:
        ms = min(claim.ms, left.get(claim.line, 0.0))
        if ms > 0:
            left[claim.line] -= ms
            taken[claim.line] = ms
    return taken


def _move_consequences(
    findings: Mapping[str, Finding],
    shares: dict[str, dict[str, float]],
    kind: Mapping[str, str],
    account: Account,
    utilization: float | None,
) -> None:
    """Give shared waiting to the causes that take the workers, in proportion to their own milliseconds."""
    own = {
        check: sum(ms for line, ms in ms_by_line.items() if kind[line] not in SHARED)
        for check, ms_by_line in shares.items()
        if findings[check].confidence >= SURE_ENOUGH
    }
    own = {check: ms for check, ms in own.items() if ms > 0}
    freed = sum(own.values()) / (account.in_app.mean_s * 1e3) if account.in_app.mean_s else 0.0
    if not own or utilization is None or utilization * (1 - min(1.0, freed)) >= FREE:
        return
    for check, ms_by_line in shares.items():
        if check in own or findings[check].keeps_waiting:
            continue
        for line in [line for line in ms_by_line if kind[line] in SHARED]:
            ms = ms_by_line.pop(line)
            for owner, weight in own.items():
                shares[owner][line] = shares[owner].get(line, 0.0) + ms * weight / sum(own.values())


def _owner(finding: Finding, shares: Mapping[str, dict[str, float]], check: str) -> str:
    lines = {claim.line for claim in finding.claims}
    owners = [other for other, ms in shares.items() if other != check and lines & ms.keys()]
    return ", ".join(owners) or "nothing large enough"


def _interval_ms(ms_by_line: Mapping[str, float], account: Account | None) -> tuple[float, float]:
    ms = sum(ms_by_line.values())
    if account is None:
        return (ms, ms)
    error_ms = sqrt(sum((line.se_s * 1e3) ** 2 for line in account.lines if line.id in ms_by_line))
    return (ms - Z95 * error_ms, ms + Z95 * error_ms)
