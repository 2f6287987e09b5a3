from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line
from unslow.evidence.cluster import Blocked, Policies

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


def test_egress_denied_with_a_rule_for_dns() -> None:
    is_clear("network_policy_blocks", policies=policies(default_deny_egress=True, allows_dns=True), account=ON_THE_WAY)


def test_policies_that_nobody_enforces() -> None:
    is_clear("network_policy_blocks", policies=policies(INFERRED, enforced=False), account=ON_THE_WAY)


def test_no_policy() -> None:
    is_clear("network_policy_blocks", policies=policies(SEEN, names=()), account=ON_THE_WAY)
