"""Something changed just before latency rose.

Signature   a process start, a changed file, a rollout or another change in the cluster within minutes before the onset
Look-alike  an old change: it was fine for hours; workers that a server recycles by itself
Blind to    changes outside this machine or cluster: flags, data, other services
Reference   most incidents follow a change; a coincidence in time is a lead, not a proof; old pods beside new ones are one
"""

from __future__ import annotations

from unslow.evidence.cluster import Changes, Pods, Revision, Workload
from unslow.evidence.deploys import Change, Deploys
from unslow.evidence.series import Series
from unslow.finding import Claim, Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.cluster_claims import claims_of
from unslow.measure.cluster_pods import Outlier, outlier
from unslow.measure.onset import is_low, known_s, lasting, onset_s, over_s
from unslow.measure.significance import ms

BEFORE_S = 900.0
"""A change is suspect when latency rises within a quarter of an hour after it."""
STARTS_S = 180.0
"""A process that starts within this time after a change in the cluster started because of it."""
SLACK_S = 60.0
"""Series have steps: the onset may be read a minute early."""


def check(
    account: Account,
    deploys: Deploys | None = None,
    series: Series | None = None,
    workload: Workload | None = None,
    changes: Changes | None = None,
    pods: Pods | None = None,
) -> Finding | Clear | Skipped:
    if deploys is None and workload is None and changes is None:
        return Skipped("deploys")
    if pods and (worse := outlier(pods.live, "version")) and _is_newer(worse, pods):
        return _worse_version(worse, workload, claims_of(account, worse, pods.looked_into))
    known = _all(deploys, workload, changes)
    latest = max((change for change, _ in known), key=lambda change: change.at_s, default=None)
    if latest is None:
        back_s = max((one.looked_back_s for one in (deploys, changes) if one), default=0.0)
        return Clear(f"nothing changed in the last {back_s / 3600:.0f} h")
    onset = onset_s(series) if series else None
    if onset is None and series is not None:
        return _without_rise(series)
    if onset is None:
        return Skipped("when latency rose", "give unslow a series that reaches back: --prometheus URL or --series FILE")
    suspects = [found for found in known if onset - BEFORE_S <= found[0].at_s <= onset + SLACK_S]
    if not suspects or account.excess_s <= 0:
        return Clear(
            f"latest change {(onset - latest.at_s) / 60:+.0f} min from the onset: {latest.what} {latest.where}"
        )
    return _finding(*_told(suspects), onset)


def _told(suspects: list[tuple[Change, str]]) -> tuple[Change, str]:
    """The latest; where that is a process that starts in a new pod, what made the pod."""
    change, source = max(suspects, key=lambda found: found[0].at_s)
    made = [one for one in suspects if one[1] != "deploys" and 0 <= change.at_s - one[0].at_s <= STARTS_S]
    return max(made, key=lambda found: found[0].at_s) if source == "deploys" and made else (change, source)


def _without_rise(series: Series) -> Clear | Skipped:
    seconds = known_s(series)
    if seconds is None:
        return Skipped("enough of a series for a rise to show in it", "look again when the store holds more")
    if over_s(series) is not None:
        return Clear("the latest rise of latency is over")
    if not is_low(series):
        return Skipped(
            f"when latency rose: within the {lasting(seconds)} that {series.source} knows it was as high before",
            "give unslow a series that reaches further back: --series FILE",
        )
    return Clear(f"latency has not risen in the {lasting(seconds)} that {series.source} knows")


def _all(deploys: Deploys | None, workload: Workload | None, changes: Changes | None) -> list[tuple[Change, str]]:
    """Every known change, with the section that knows it."""
    found = [(one, "deploys") for one in (deploys.changes if deploys else ())]
    if workload:
        name = f"{workload.kind} {workload.name}"
        found += [(Change(at_s=one.at_s, what=_words(one), where=name), "workload") for one in workload.revisions]
    for one in changes.changes if changes else ():
        who = f" by {one.who}" if one.who else ""
        found.append((Change(at_s=one.at_s, what=one.what + who, where=one.where), "changes"))
    return found


def _words(revision: Revision) -> str:
    what = ", ".join(revision.changed) or ", ".join(revision.images)
    return f"rollout of revision {revision.number}{f' ({what})' if what else ''}{f' by {revision.who}' if revision.who else ''}"


def _finding(change: Change, source: str, onset: float) -> Finding:
    return Finding(
        title=f"latency rose {(onset - change.at_s) / 60:.1f} min after a change",
        because=f"{change.what} ({change.where}) {(onset - change.at_s) / 60:.1f} min before the onset",
        place=change.where,
        confidence=0.5,
        next_steps=("compare the two versions, or go back to the one before and measure again",),
        fixes=("roll_back",),
        evidence=(source,),
    )


def _is_newer(slow: Outlier, pods: Pods) -> bool:
    """Whether the slow pods came after all others: old pods that are slow are what a rollout may be curing."""
    ours = [pod.created_s for pod in pods.live if pod.name in slow.pods]
    others = [pod.created_s for pod in pods.live if pod.name not in slow.pods and pod.latency]
    known = [at for at in others if at is not None]
    return bool(known) and all(at is not None and at > max(known) for at in ours)


def _worse_version(slow: Outlier, workload: Workload | None, claims: tuple[Claim, ...]) -> Finding:
    """Old and new pods serve the same traffic at the same time: that is more than a coincidence."""
    newest = max(workload.revisions, key=lambda one: one.number, default=None) if workload else None
    return Finding(
        title=f"version {slow.name} is slower than the other",
        because=(
            f"{ms(slow.mean_s)} on average in {len(slow.pods)} pods against {ms(slow.others_s)} in {slow.others}"
            f"{f'; {_words(newest)}' if newest else ''}"
        ),
        place=f"{workload.kind} {workload.name}" if workload else f"version {slow.name}",
        claims=claims,
        # Surer than one_slow_pod, which sees the same pods and does not know why.
        confidence=0.92 if claims else 0.65,
        next_steps=(
            f"go back: kubectl rollout undo {workload.kind.lower()}/{workload.name} -n {workload.namespace}"
            + (f" (managed by {workload.managed_by}: change it there)" if workload.managed_by else "")
            if workload
            else "go back to the other version",
        ),
        fixes=("roll_back",),
        evidence=("workload", "pods.latency") if workload else ("pods.latency",),
    )
