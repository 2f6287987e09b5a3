"""The document's remaining sections, each with what was found for it; and the load test."""

from __future__ import annotations

import msgspec

from unslow.runbook import load_test
from unslow.runbook.situation import Situation, table
from unslow.runbook.step import Outcome

TITLE = "Prevention, escalation, post-incident, performance testing"
SECTION = "Prevention; Escalation; Post-Incident; Performance Testing"
ASKS = "What of the document's lists applies here, who should be told, and does it hold under load?"

LISTS = (
    ("Implement caching where appropriate", ("cache_cold", "redis_slow", "slow_query")),
    ("Optimize database queries", ("missing_index", "slow_query", "n_plus_one", "lock_wait")),
    ("Use connection pooling", ("connection_churn", "pool_exhausted")),
    ("Configure appropriate timeouts", ("timeouts_misordered", "retry_storm", "slow_downstream")),
    (
        "Review and adjust resource limits",
        ("cpu_throttled", "memory_pressure", "requests_missing", "requests_undersized"),
    ),
    ("Configure HPA based on latency metrics", ("hpa_missing", "hpa_at_max", "hpa_blind", "hpa_flapping")),
    ("Monitor network policies", ("network_policy_blocks",)),
    ("Set up detailed latency metrics", ("metrics_misleading",)),
    ("Monitor backend services", ("slow_downstream", "service_has_few_ready_endpoints", "network_retransmits")),
    ("Consider scaling resources", ("workers_saturated", "hpa_at_max", "node_saturated", "pods_pending")),
)
"""Items of the document, and the checks that speak of them."""


def commands(situation: Situation) -> tuple[str, ...]:
    return (
        f"unslow diagnose {situation.namespace}/{situation.name} --save incident.unslow",
        load_test.proposal(situation).command,
    )


def run(situation: Situation) -> Outcome:
    rows = [(item, _found(situation, checks)) for item, checks in LISTS]
    rows.append(("Configure request tracing", _tracing(situation)))
    result = (*table(("ITEM", "FOUND"), rows), *_escalation(situation))
    if "loadtest" in situation.options.allow:
        tested = load_test.run(situation)
        return msgspec.structs.replace(tested, result=(*result, *tested.result), means=_after(situation))
    return Outcome(state="proposed", result=result, means=_after(situation), proposals=(load_test.proposal(situation),))


def _found(situation: Situation, checks: tuple[str, ...]) -> str:
    causes = [one for one in situation.diagnosis.causes if one.check in checks]
    if causes:
        fix = next((fix for one in causes for fix in one.fixes), "")
        return f"YES: {causes[0].title}" + (f". {fix}" if fix else "")
    clear = [one.check for one in situation.diagnosis.clear if one.check in checks]
    unknown = {one.check for one in situation.diagnosis.skipped if one.check in checks}
    if clear:
        return f"not needed now ({', '.join(clear)}: clear" + (f"; {len(unknown)} not checked)" if unknown else ")")
    missing = next((one.missing for one in situation.diagnosis.skipped if one.check in checks), "no check ran")
    return f"unknown: {missing}"


def _tracing(situation: Situation) -> str:
    return "traces are there" if situation.evidence.spans is not None else "no traces were found: see step 7"


def _escalation(situation: Situation) -> tuple[str, ...]:
    causes = situation.diagnosis.causes
    if not causes:
        return ("Escalation: no cause was found; hand over the bundle (--save) with the gaps above.",)
    first = causes[0]
    cluster = {
        "node_saturated",
        "noisy_neighbour",
        "pods_pending",
        "network_retransmits",
        "conntrack_full",
        "dns_latency",
    }
    team = "platform team" if first.check in cluster else "application team"
    return (f"Escalation: {team}, with {first.title} ({first.check}); next step: {(first.next_steps or ('-',))[0]}",)


def _after(situation: Situation) -> tuple[str, ...]:
    return (
        f"Post-incident: save this bundle as the new baseline once it is well: "
        f"unslow baseline {situation.namespace}/{situation.name}",
        "A fixed threshold of one second fits no service: take it from the baseline's p99.",
    )
