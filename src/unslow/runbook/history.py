"""What was changed, when, and by whom: rollouts, config maps, scaling, nodes."""

from __future__ import annotations

from datetime import UTC, datetime

from unslow.runbook.situation import Situation, table
from unslow.runbook.step import Outcome

TITLE = "Deployment history"
SECTION = "Performance Investigation (added): what changed"
ASKS = "What changed when it became slow, and who changed it?"


def commands(situation: Situation) -> tuple[str, ...]:
    namespace = situation.namespace
    return (
        f"kubectl rollout history {situation.workload} -n {namespace}",
        f"kubectl get events -n {namespace} --sort-by=.lastTimestamp",
        f"kubectl get {situation.workload} -n {namespace} -o jsonpath='{{.metadata.managedFields[*].manager}}'",
    )


def run(situation: Situation) -> Outcome:
    workload, changes = situation.cluster.workload, situation.cluster.changes
    gaps = situation.gaps("workload", "changes", "events")
    if workload is None and changes is None:
        return Outcome(state="unavailable", gaps=gaps)
    head = ("WHEN", "WHERE", "WHAT", "WHO")
    found: list[tuple[float, str, str, str]] = []
    for revision in workload.revisions if workload else ():
        what = "; ".join(revision.changed) or ", ".join(revision.images) or "first revision"
        found.append((revision.at_s, f"revision {revision.number}", what, revision.who))
    found += [(change.at_s, change.where, change.what, change.who) for change in (changes.changes if changes else ())]
    rows = [(stamp(at_s), where, what[:100], who or "unknown") for at_s, where, what, who in sorted(found)]
    means = list(situation.causes("recently_deployed"))
    if workload and workload.managed_by:
        means.append(
            f"{workload.managed_by} owns this workload: a change by hand is reverted, change its source instead."
        )
    return Outcome(
        result=table(head, rows),
        means=tuple(means) or ("No change is tied to the slowness by what is known.",),
        gaps=gaps,
    )


def stamp(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
