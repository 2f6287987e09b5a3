"""What the workload needs, and whether that is ready."""

from __future__ import annotations

from unslow.runbook.services import problems
from unslow.runbook.situation import Situation, ready, table
from unslow.runbook.step import Gap, Outcome

TITLE = "Service dependencies"
SECTION = "Performance Investigation 3"
ASKS = "Which services does it call, are they ready, and which of them does the time go to?"


def commands(situation: Situation) -> tuple[str, ...]:
    namespace = situation.namespace
    return (
        f"kubectl get endpointslices -n {namespace} -o yaml",
        f"kubectl get {situation.workload} -n {namespace} -o jsonpath='{{.spec.template.spec.containers[*].env}}'",
        f"kubectl describe pods -n {namespace} | grep 'Ready\\|Started'",
    )


def run(situation: Situation) -> Outcome:
    head = ("CALLS", "BY", "READY", "SHARE OF THE TIME")
    rows: list[tuple[str, ...]] = []
    shares = {line.where.service: line.share for line in situation.diagnosis.account.lines if line.where.service}
    called = [service for service in situation.services if service.role == "dependency"]
    for service in called:
        share = shares.get(service.name)
        ends = service.endpoints
        time = "-" if share is None else f"{share:.0%}"
        rows.append((service.name, "environment, configuration", f"{ready(ends)} of {len(ends)}", time))
    for name, share in sorted(shares.items()):
        if name not in {service.name for service in called} and name != situation.name:
            rows.append((name, "its own connections and calls", "-", f"{share:.0%}"))
    means = [text for service in called for text in problems(service)]
    means += situation.causes(
        "slow_downstream", "slow_query", "redis_slow", "service_has_few_ready_endpoints", "retry_storm"
    )
    gaps = list(situation.gaps("services", "spans", "mesh"))
    if not rows:
        gaps.append(
            Gap(
                "a dependency: no environment variable, trace or connection names one",
                "give traces (--spans), or allow exec so that the pod's connections can be read",
            )
        )
    return Outcome(
        result=table(head, rows),
        means=tuple(means) or ("Every dependency that is known has all its endpoints ready.",) * bool(rows),
        gaps=tuple(gaps),
    )
