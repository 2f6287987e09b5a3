from __future__ import annotations

import pytest

from tests import samples
from tests.checks.cluster import container, pod, pods, usage
from tests.checks.verbs import requests
from tests.evidences import evidence
from unslow.checks import all_checks, applies
from unslow.diagnose import diagnose
from unslow.evidence.cluster import Cluster
from unslow.report import document


def test_the_cause_the_account_and_the_sentence() -> None:
    diagnosis = diagnose(samples.slow())
    assert diagnosis.verdict == "slow"
    assert [cause.check for cause in diagnosis.causes] == ["missing_index"]
    assert "no index serves a query on parcel" in diagnosis.headline
    assert "CREATE INDEX ON parcel (owner, sent)" in diagnosis.headline
    assert diagnosis.reference.kind == "none"


def test_rows_and_unexplained_equal_the_excess() -> None:
    account = diagnose(samples.slow()).account
    assert sum(line.excess_ms for line in account.lines) + account.unexplained_ms == pytest.approx(account.excess_ms)
    assert account.excess_ms == pytest.approx(account.now_ms - account.before_ms)


@pytest.mark.parametrize("cluster", [None, Cluster()])
def test_every_check_that_can_be_about_the_target_is_answered_once(cluster: Cluster | None) -> None:
    seen = samples.slow(cluster=cluster)
    diagnosis = diagnose(seen)
    answered = [one.check for group in (diagnosis.causes, diagnosis.clear, diagnosis.skipped) for one in group]
    assert sorted(answered) == sorted(name for name, check in all_checks().items() if applies(check, seen))


def test_checks_of_a_cluster_are_not_missed_where_there_is_none() -> None:
    checks = all_checks()
    assert not applies(checks["pods_pending"], evidence())
    assert applies(checks["pods_pending"], evidence(cluster=Cluster()))
    assert {one.check for one in diagnose(evidence(cluster=Cluster())).skipped} >= {"pods_pending", "dns_latency"}


def test_a_missing_part_of_the_cluster_names_its_remedy() -> None:
    said = {one.check: one.remedy for one in diagnose(evidence(cluster=Cluster())).skipped}
    assert "pods" in said["pods_pending"]
    assert "CoreDNS" in said["dns_latency"]


def test_a_check_can_be_left_out() -> None:
    diagnosis = diagnose(samples.slow(), skip=frozenset({"missing_index"}))
    assert diagnosis.causes[0].check == "slow_query"


def test_a_healthy_service_has_no_cause() -> None:
    diagnosis = diagnose(samples.healthy())
    assert (diagnosis.verdict, diagnosis.causes) == ("healthy", ())


def test_nothing_measured_is_unknown_and_not_healthy() -> None:
    diagnosis = diagnose(evidence())
    assert diagnosis.verdict == "unknown"
    assert not diagnosis.causes
    assert diagnosis.skipped


def test_a_short_time_that_is_mostly_dark_is_not_healthy_beside_a_sure_cause() -> None:
    quick = requests(*[4.0, 4.5, 5.0] * 30)
    full = container(usage=usage(cores=0.071), cpu_limit_cores=0.07)
    stopped = diagnose(evidence(requests=quick, cluster=Cluster(pods=pods(pod("a", full)))))
    assert [cause.check for cause in stopped.causes] == ["cpu_throttled"]
    assert stopped.verdict == "unknown"
    assert "Likely: the pods use all of their CPU limit" in stopped.headline
    assert diagnose(evidence(requests=quick, cluster=Cluster(pods=pods(pod("a"))))).verdict == "healthy"


def test_a_baseline_that_was_as_slow_clears_the_service() -> None:
    diagnosis = diagnose(samples.slow(reference=samples.slow()))
    assert diagnosis.reference.kind == "baseline"
    assert diagnosis.causes == ()
    assert diagnosis.verdict == "healthy"


def test_against_a_healthy_baseline_the_growth_is_explained() -> None:
    diagnosis = diagnose(samples.slow(reference=samples.healthy()))
    assert diagnosis.causes[0].check == "missing_index"
    assert diagnosis.account.before_ms == pytest.approx(9.0)


def test_cited_evidence_exists() -> None:
    diagnosis = diagnose(samples.slow())
    known = {item.id for item in diagnosis.evidence}
    cited = {id_ for line in diagnosis.account.lines for id_ in line.evidence} | set(diagnosis.causes[0].evidence)
    assert cited <= known


def test_the_same_evidence_gives_the_same_bytes() -> None:
    assert document.render(diagnose(samples.slow())) == document.render(diagnose(samples.slow()))


@pytest.mark.parametrize("name", sorted(all_checks()))
def test_every_check_stands_empty_evidence(name: str) -> None:
    from unslow.checks import run
    from unslow.finding import Clear, Finding, Skipped

    outcome = run(all_checks()[name], evidence(), None)
    assert isinstance(outcome, Clear | Skipped), outcome
    assert not isinstance(outcome, Finding)
