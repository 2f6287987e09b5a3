"""Something changed just before latency rose.

Signature   a process start or a changed file within minutes before the onset
Look-alike  an old change: it was fine for hours; workers that a server recycles by itself
Blind to    changes outside this machine: flags, data, other services
Reference   most incidents follow a change; a coincidence in time is a lead, not a proof
"""

from __future__ import annotations

from unslow.evidence.deploys import Change, Deploys
from unslow.evidence.series import Series
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.onset import onset_s

BEFORE_S = 900.0
"""A change is suspect when latency rises within a quarter of an hour after it."""
SLACK_S = 60.0
"""Series have steps: the onset may be read a minute early."""


def check(deploys: Deploys, account: Account, series: Series | None = None) -> Finding | Clear | Skipped:
    latest = max(deploys.changes, key=lambda change: change.at_s, default=None)
    if latest is None:
        return Clear(f"nothing changed in the last {deploys.looked_back_s / 3600:.0f} h")
    onset = onset_s(series) if series else None
    if onset is None:
        return Skipped("when latency rose", "give unslow a series that reaches back: --prometheus URL or --series FILE")
    suspects = [change for change in deploys.changes if onset - BEFORE_S <= change.at_s <= onset + SLACK_S]
    if not suspects or account.excess_s <= 0:
        return Clear(
            f"latest change {(onset - latest.at_s) / 60:+.0f} min from the onset: {latest.what} {latest.where}"
        )
    change = max(suspects, key=lambda one: one.at_s)
    return _finding(change, onset)


def _finding(change: Change, onset: float) -> Finding:
    return Finding(
        title=f"latency rose {(onset - change.at_s) / 60:.1f} min after a change",
        because=f"{change.what} ({change.where}) {(onset - change.at_s) / 60:.1f} min before the onset",
        place=change.where,
        confidence=0.5,
        next_steps=("compare the two versions, or go back to the one before and measure again",),
        fixes=("roll_back",),
        evidence=("deploys",),
    )
