"""What was changed, when, and by whom: rollouts, config maps, scaling, nodes."""

from __future__ import annotations

from datetime import UTC, datetime

from unslow.evidence.cluster import Change, Revision
from unslow.runbook.situation import Situation, shortened, table
from unslow.runbook.step import Gap, Outcome

TITLE = "Deployment history"
SECTION = "Performance Investigation (added): what changed"
ASKS = "What changed when it became slow, and who changed it?"


AT_ONCE_S = 30.0
"""An autoscaler's rescale and the scaling that it causes are this close."""
_AUDIT = (
    'jq -r \'select(.objectRef.namespace=="%s" and (.verb|test("create|update|patch|delete")))'
    " | [.requestReceivedTimestamp,.user.username,.verb,.objectRef.resource,.objectRef.name] | @tsv' audit.log"
)


def commands(situation: Situation) -> tuple[str, ...]:
    namespace = situation.namespace
    return (
        f"kubectl rollout history {situation.workload} -n {namespace}",
        f"kubectl get events -n {namespace} --sort-by=.lastTimestamp",
        f"kubectl get {situation.workload} -n {namespace} --show-managed-fields"
        " -o jsonpath='{range .metadata.managedFields[*]}{.time} {.manager} {.operation}{\"\\n\"}{end}'",
        _AUDIT % namespace,
    )


def run(situation: Situation) -> Outcome:
    workload, changes = situation.cluster.workload, situation.cluster.changes
    gaps = situation.gaps("workload", "changes", "events")
    if workload is None and changes is None:
        return Outcome(state="unavailable", gaps=gaps)
    found = [_of_revision(revision) for revision in (workload.revisions if workload else ())]
    found += [(one.at_s, one.where, one.what, one.who or _autoscaler(situation, one)) for one in _changes(situation)]
    onset = _onset_s(situation)
    if onset is not None and found:
        found.append((onset, situation.evidence.target.path, "it became slow", "-"))
    rows = [(stamp(at_s), where, shortened(what, 100), who or "not known") for at_s, where, what, who in sorted(found)]
    if any(who != "-" for *_, who in found):
        gaps = (*gaps, Gap(_PERSON, "look the time up in the API server's audit log (the last command)"))
    return Outcome(result=table(("WHEN", "WHERE", "WHAT", "WHO"), rows), means=_means(situation), gaps=gaps)


_PERSON = "the person behind a tool: the API server's objects keep only the tool's name (kubectl, helm, ...)"


def _changes(situation: Situation) -> tuple[Change, ...]:
    return situation.cluster.changes.changes if situation.cluster.changes else ()


def _of_revision(revision: Revision) -> tuple[float, str, str, str]:
    what = "; ".join(revision.changed) or ", ".join(revision.images) or "first revision"
    return revision.at_s, f"revision {revision.number}", what, revision.who


def _autoscaler(situation: Situation, change: Change) -> str:
    """Who scaled, when an autoscaler says that it did so at that moment."""
    autoscalers = situation.cluster.autoscalers
    if autoscalers is None or not change.what.startswith("scaled "):
        return ""
    return next(
        (
            f"autoscaler {hpa.name}"
            for hpa in autoscalers.hpas
            for one in hpa.rescales
            if abs(one.at_s - change.at_s) <= AT_ONCE_S and change.what.endswith(f" to {one.replicas_to}")
        ),
        "",
    )


def _onset_s(situation: Situation) -> float | None:
    onset = situation.diagnosis.onset
    return None if onset is None else datetime.fromisoformat(onset).timestamp()


def _means(situation: Situation) -> tuple[str, ...]:
    workload, looked_back = situation.cluster.workload, situation.cluster.changes
    means = list(situation.causes("recently_deployed"))
    if not means:
        since = f" in the last {looked_back.looked_back_s / 3600:.0f} h" if looked_back else ""
        means.append(f"No change{since} coincides with the slowness, as far as is known.")
    if workload and workload.managed_by:
        means.append(
            f"{workload.managed_by} owns this workload: a change by hand is reverted, change its source instead."
        )
    return tuple(means)


def stamp(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
