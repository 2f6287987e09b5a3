"""What changed, in order, and who did it: a tool, an autoscaler, or not known."""

from __future__ import annotations

from tests.checks.cluster import autoscalers, hpa, workload
from tests.runbook.situations import situation
from unslow.evidence.cluster import Change, Changes, Cluster, Rescale, Revision
from unslow.runbook.history import commands, run

NOW = 10_000.0


def cluster(*changes: Change, rescales: tuple[Rescale, ...] = (), who: str = "kubectl-set", owner: str = "") -> Cluster:
    revision = Revision(number=2, at_s=NOW - 60, who=who, changed=("image a:1 -> a:2",))
    return Cluster(
        workload=workload(revisions=(revision,), managed_by=owner),
        changes=Changes(changes=changes, looked_back_s=86_400.0),
        autoscalers=autoscalers(hpa(rescales=rescales)),
    )


SCALED = Change(at_s=NOW, what="scaled up from 3 to 5", where="Deployment/shop")


def test_a_rollout_with_its_tool_and_where_the_person_is_found() -> None:
    outcome = run(situation(cluster=cluster()))
    assert "image a:1 -> a:2" in outcome.result[1]
    assert outcome.result[1].endswith("kubectl-set")
    assert any("audit log" in gap.remedy for gap in outcome.gaps)
    assert any("audit.log" in command for command in commands(situation()))


def test_an_autoscaler_is_named_for_the_scale_that_it_made() -> None:
    outcome = run(situation(cluster=cluster(SCALED, rescales=(Rescale(at_s=NOW - 5, replicas_to=5),))))
    assert outcome.result[-1].endswith("autoscaler shop")


def test_another_rescale_or_one_to_another_size_is_not_blamed() -> None:
    rescales = (Rescale(at_s=NOW - 600, replicas_to=5), Rescale(at_s=NOW, replicas_to=15))
    outcome = run(situation(cluster=cluster(SCALED, rescales=rescales)))
    assert outcome.result[-1].endswith("not known")


def test_the_source_of_a_workload_that_somebody_owns() -> None:
    assert any("argocd owns" in text for text in run(situation(cluster=cluster(owner="argocd"))).means)


def test_no_change_says_how_far_back_was_looked() -> None:
    assert "in the last 24 h" in run(situation(cluster=cluster())).means[0]


def test_nothing_known_is_not_nothing_changed() -> None:
    assert run(situation()).state == "unavailable"
