from __future__ import annotations

import msgspec

from tests.checks.verbs import account, finds, is_clear, line
from unslow.evidence.cluster import Blocked, Dns, Lookup, Policies

ON_THE_WAY = account(line("network", "between here and billing", 60.0))


def policies(*blocked: Blocked, **changes: object) -> Policies:
    return Policies(**({"names": ("deny-all",), "enforced": True, "blocked": blocked} | changes))  # type: ignore[arg-type]


SEEN = Blocked(source="shop", destination="billing:8000", seen=True, policy="deny-all")
INFERRED = Blocked(source="shop", destination="billing:8000", seen=False)


def test_a_dropped_connection() -> None:
    found = finds("network_policy_blocks", 60.0, policies=policies(SEEN), account=ON_THE_WAY)
    assert "shop to billing:8000 was dropped by deny-all" in found.because


def test_rules_alone_are_a_lead() -> None:
    assert finds("network_policy_blocks", 0.0, policies=policies(INFERRED), account=ON_THE_WAY).confidence < 0.5


def test_egress_denied_without_dns() -> None:
    found = finds("network_policy_blocks", 0.0, policies=policies(default_deny_egress=True, allows_dns=False))
    assert "port 53" in found.because


def looked_up(answered: int, failed: int) -> Dns:
    return Dns(lookups=(Lookup(name="billing", times_s=(0.004,) * answered, failures=failed),))


def test_egress_rules_that_forget_dns_and_look_ups_that_fail() -> None:
    """The usual mistake: a rule for the database alone."""
    only_the_database = policies(default_deny_egress=False, allows_dns=False)
    found = finds("network_policy_blocks", 60.0, policies=only_the_database, dns=looked_up(0, 5), account=ON_THE_WAY)
    assert "port 53) was dropped" in found.because
    assert found.confidence > 0.8


def test_look_ups_that_are_answered_disprove_the_rules() -> None:
    forgotten = policies(default_deny_egress=True, allows_dns=False)
    seen = is_clear("network_policy_blocks", policies=forgotten, dns=looked_up(5, 1), account=ON_THE_WAY)
    assert "5 look-ups from the pod were answered" in seen.because


def test_look_ups_that_fail_because_no_server_is_ready_are_a_lead_alone() -> None:
    forgotten = policies(default_deny_egress=True, allows_dns=False)
    dead = msgspec.structs.replace(looked_up(0, 5), server_ready=0)
    assert finds("network_policy_blocks", 0.0, policies=forgotten, dns=dead, account=ON_THE_WAY).confidence < 0.5


def test_look_ups_that_fail_where_enforcement_is_not_known_are_a_lead_alone() -> None:
    unsure = policies(allows_dns=False, enforced=None)
    finds("network_policy_blocks", 0.0, policies=unsure, dns=looked_up(0, 5), account=ON_THE_WAY)


def test_look_ups_that_fail_where_the_rules_let_dns_out() -> None:
    allowed = policies(default_deny_egress=True, allows_dns=True)
    is_clear("network_policy_blocks", policies=allowed, dns=looked_up(0, 5), account=ON_THE_WAY)


def test_egress_denied_with_a_rule_for_dns() -> None:
    is_clear("network_policy_blocks", policies=policies(default_deny_egress=True, allows_dns=True), account=ON_THE_WAY)


def test_policies_that_nobody_enforces() -> None:
    is_clear("network_policy_blocks", policies=policies(INFERRED, enforced=False), account=ON_THE_WAY)


def test_no_policy() -> None:
    is_clear("network_policy_blocks", policies=policies(names=()), account=ON_THE_WAY)
