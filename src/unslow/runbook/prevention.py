"""The document's remaining sections, each with what was found for it; and the load test."""

from __future__ import annotations

import msgspec

from unslow.diagnosis import Cause, Diagnosis
from unslow.headline import readable
from unslow.runbook import load_test
from unslow.runbook.situation import Situation, table
from unslow.runbook.step import Outcome

TITLE = "Prevention, escalation, post-incident, performance testing"
SECTION = "Prevention; Escalation; Post-Incident; Performance Testing"
ASKS = "What of the document's lists applies here, who should be told, and does it hold under load?"

LISTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Implement caching where appropriate", ("cache_cold", "redis_slow", "slow_query")),
    ("Optimize database queries", ("missing_index", "slow_query", "n_plus_one", "lock_wait")),
    ("Use connection pooling", ("connection_churn", "pool_exhausted")),
    ("Configure appropriate timeouts", ("timeouts_misordered", "retry_storm", "slow_downstream")),
    (
        "Review and adjust resource limits",
        ("cpu_throttled", "memory_pressure", "requests_missing", "requests_undersized", "vpa_ignored"),
    ),
    ("Configure HPA based on latency metrics", ("hpa_missing", "hpa_at_max", "hpa_blind", "hpa_flapping")),
    ("Monitor network policies", ("network_policy_blocks",)),
    ("Set up detailed latency metrics", ("metrics_misleading",)),
    ("Configure request tracing", ()),
    ("Monitor backend services", ("slow_downstream", "service_has_few_ready_endpoints", "network_retransmits")),
)
"""Items of the document's Prevention, in its order, and the checks that speak of them."""

SCALING = ("workers_saturated", "hpa_at_max", "node_saturated", "pods_pending", "quota_blocks_scaling")
PLATFORM = frozenset(
    {
        "node_saturated",
        "noisy_neighbour",
        "pods_pending",
        "network_retransmits",
        "network_policy_blocks",
        "conntrack_full",
        "dns_latency",
        "mesh_overhead",
        "quota_blocks_scaling",
        "pdb_blocks_drain",
    }
)
"""Checks whose cause the platform's team can end, not the application's."""


def commands(situation: Situation) -> tuple[str, ...]:
    return (
        f"unslow diagnose {situation.namespace}/{situation.name} --save incident.unslow",
        load_test.proposal(situation).command,
    )


def run(situation: Situation) -> Outcome:
    rows = [
        ("Prevention", item, _found(situation, checks) if checks else _tracing(situation)) for item, checks in LISTS
    ]
    rows += [("Escalation", item, found) for item, found in _escalation(situation)]
    rows += [("Post-incident", item, found) for item, found in _afterwards(situation)]
    result = table(("SECTION", "ITEM", "FOUND"), rows)
    if "loadtest" in situation.options.allow:
        tested = load_test.run(situation)
        return msgspec.structs.replace(tested, result=(*result, *tested.result))
    return Outcome(state="proposed", result=result, proposals=(load_test.proposal(situation),))


def _found(situation: Situation, checks: tuple[str, ...]) -> str:
    """What the checks found; "nothing found" names those that looked, and those that could not."""
    diagnosis = situation.diagnosis
    causes = [one for one in diagnosis.causes if one.check in checks]
    if causes:
        step = next((step for one in causes for step in one.next_steps), "")
        return f"YES: {causes[0].title}" + (f"; {step}" if step else "")
    clear = [one.check for one in diagnosis.clear if one.check in checks]
    unknown = [one for one in diagnosis.skipped if one.check in checks]
    if not clear:
        return f"not known: {unknown[0].missing}" if unknown else "not looked at"
    not_checked = f"; not checked: {', '.join(one.check for one in unknown)}" if unknown else ""
    return f"nothing found by {', '.join(clear)}{not_checked}"


def _tracing(situation: Situation) -> str:
    spans = situation.evidence.spans
    return f"{spans.traces} traces were read" if spans is not None else "no traces were found: see step 7"


def _escalation(situation: Situation) -> list[tuple[str, str]]:
    """Each team gets its own causes; nobody is called for what was not found."""
    causes = situation.diagnosis.causes
    platform = [one for one in causes if one.check in PLATFORM]
    application = [one for one in causes if one.check not in PLATFORM]
    nobody = (
        "no cause of theirs was found" if causes else "no cause was found: hand over the saved bundle with the gaps"
    )
    return [
        ("Escalate to platform team", _told(platform) or nobody),
        ("Engage application development team", _told(application) or nobody),
        ("Consider scaling resources", _found(situation, SCALING)),
    ]


def _told(causes: list[Cause]) -> str:
    return "; ".join(f"{one.title} ({one.check}): {(one.next_steps or ('no next step',))[0]}" for one in causes[:2])


def _afterwards(situation: Situation) -> list[tuple[str, str]]:
    diagnosis, target = situation.diagnosis, f"{situation.namespace}/{situation.name}"
    return [
        ("Document latency patterns", _pattern(diagnosis)),
        ("Review service architecture", _architecture(diagnosis)),
        ("Update performance baselines", f"once it is well: unslow baseline {target}"),
        ("Implement performance improvements", _improvements(diagnosis)),
        (
            "Update monitoring thresholds",
            "one second fits no service: take it from the baseline's p99, and see unslow alerts lint RULES.yaml",
        ),
    ]


def _pattern(diagnosis: Diagnosis) -> str:
    times = diagnosis.percentiles
    if times is None:
        return "no requests were timed"
    since = f", slow since {readable(diagnosis.onset)}" if diagnosis.onset else ""
    return (
        f"mean {times.mean_ms:.1f} ms, p50 {times.p50_ms:.1f}, p95 {times.p95_ms:.1f}, p99 {times.p99_ms:.1f} ms "
        f"of {times.n} requests{since}"
    )


def _architecture(diagnosis: Diagnosis) -> str:
    """Where most of the time is spent."""
    lines = [line for line in diagnosis.account.lines if line.excess_ms > 0]
    if not lines:
        return "nothing was measured that takes time: see step 9 for what it calls"
    top = max(lines, key=lambda line: line.excess_ms)
    return f"{top.excess_ms:.1f} ms ({top.share:.0%}) in {top.kind}: {top.where.place or top.where.service}"


def _improvements(diagnosis: Diagnosis) -> str:
    worth = [one for one in diagnosis.causes if one.excess_ms > 0]
    if not worth:
        return "no cause has milliseconds behind it"
    return "; ".join(f"{one.excess_ms:.1f} ms: {(one.next_steps or (one.title,))[0]}" for one in worth[:3])
