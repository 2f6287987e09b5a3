"""The document's remaining sections: every item appears, with what was found for it and nothing more."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.runbook.situations import situation
from unslow.checks import all_checks
from unslow.diagnosis import Cause, ClearCheck, SkippedCheck
from unslow.runbook.prevention import LISTS, PLATFORM, SCALING, run
from unslow.runbook.situation import Situation

ITEMS = (
    "Implement caching where appropriate", "Optimize database queries", "Use connection pooling",
    "Configure appropriate timeouts", "Review and adjust resource limits", "Configure HPA based on latency metrics",
    "Monitor network policies", "Set up detailed latency metrics", "Configure request tracing", "Monitor backend services",
    "Escalate to platform team", "Engage application development team", "Consider scaling resources",
    "Document latency patterns", "Review service architecture", "Update performance baselines",
    "Implement performance improvements", "Update monitoring thresholds",
)  # fmt: skip


def cause(check: str, ms: float = 10.0) -> Cause:
    return Cause(
        check=check, title=f"title of {check}", place="p", excess_ms=ms, interval_ms=(ms, ms), confidence=0.9,
        because="1", next_steps=(f"step of {check}",), fixes=(),
    )  # fmt: skip


def known(**changes: Any) -> Situation:
    empty = situation()
    empty.diagnosis = msgspec.structs.replace(empty.diagnosis, **({"causes": (), "clear": (), "skipped": ()} | changes))
    return empty


def row(about: Situation, item: str) -> str:
    (found,) = [line for line in run(about).result if item in line]
    return found


def test_every_item_of_the_document_appears_in_its_order() -> None:
    text = "\n".join(run(known()).result)
    places = [text.index(item) for item in ITEMS]
    assert places == sorted(places)


def test_the_checks_that_it_names_exist() -> None:
    named = {check for _, checks in LISTS for check in checks} | set(SCALING) | PLATFORM
    assert named <= set(all_checks())


def test_a_cause_is_told_with_its_next_step() -> None:
    assert "YES: title of slow_query; step of slow_query" in row(
        known(causes=(cause("slow_query"),)), "Optimize database"
    )


def test_nothing_found_names_who_could_not_look() -> None:
    half = known(
        clear=(ClearCheck(check="slow_query", because="0"),),
        skipped=(SkippedCheck(check="lock_wait", missing="a login", remedy="--postgres"),),
    )
    assert "nothing found by slow_query; not checked: lock_wait" in row(half, "Optimize database")


def test_what_nobody_could_look_at_is_not_known() -> None:
    blind = known(skipped=(SkippedCheck(check="network_policy_blocks", missing="policies", remedy="RBAC"),))
    assert "not known: policies" in row(blind, "Monitor network policies")


@pytest.mark.parametrize(("check", "team", "other"), [
    ("node_saturated", "Escalate to platform", "Engage application"),
    ("slow_query", "Engage application", "Escalate to platform"),
])  # fmt: skip
def test_each_team_gets_its_own_cause_alone(check: str, team: str, other: str) -> None:
    found = known(causes=(cause(check),))
    assert f"step of {check}" in row(found, team)
    assert "no cause of theirs" in row(found, other)


def test_without_a_cause_the_bundle_is_handed_over() -> None:
    assert "hand over the saved bundle" in row(known(), "Escalate to platform")


def test_improvements_are_only_those_with_milliseconds() -> None:
    found = known(causes=(cause("slow_query", 12.0), cause("requests_missing", 0.0)))
    assert "12.0 ms: step of slow_query" in row(found, "Implement performance improvements")
    assert "requests_missing" not in row(found, "Implement performance improvements")


def test_the_load_test_is_proposed_and_not_started() -> None:
    outcome = run(known())
    assert outcome.state == "proposed"
    assert outcome.proposals[0].name == "loadtest"
    assert "delete job" in outcome.proposals[0].undo
