from __future__ import annotations

from tests.checks.cluster import IDLE, node, nodes
from tests.checks.verbs import account, finds, is_clear, line
from unslow.evidence.cluster import Budget, Budgets, Taint

WAITING = account(line("cpu contended", "waiting for a free core (cpu code)", 60.0))


def budgets(allowed: int) -> Budgets:
    budget = Budget(name="shop", healthy=3, desired_healthy=3 - allowed, expected=3, disruptions_allowed=allowed)
    return Budgets(budgets=(budget,))


DRAINED = nodes(node(cordoned=True))


def test_a_cordoned_node_that_cannot_be_emptied() -> None:
    found = finds("pdb_blocks_drain", 0.0, budgets=budgets(0), nodes=DRAINED, account=WAITING)
    assert "allows 0 disruptions: 3 healthy, 3 desired of 3" in found.because


def test_a_node_that_its_provisioner_wants_to_take_away() -> None:
    leaving = nodes(node(taints=(Taint(key="karpenter.sh/disrupted"),)))
    finds("pdb_blocks_drain", budgets=budgets(0), nodes=leaving)


def test_on_a_full_node_the_waiting_is_its_own() -> None:
    finds(
        "pdb_blocks_drain", 60.0, budgets=budgets(0), nodes=nodes(node(cordoned=True, used_cores=3.9)), account=WAITING
    )


def test_one_disruption_is_allowed() -> None:
    is_clear("pdb_blocks_drain", budgets=budgets(1), nodes=DRAINED, account=WAITING)


def test_nobody_drains() -> None:
    is_clear("pdb_blocks_drain", budgets=budgets(0), nodes=IDLE, account=WAITING)


def test_a_cordoned_node_of_others() -> None:
    is_clear("pdb_blocks_drain", budgets=budgets(0), nodes=nodes(node(), node("b", cordoned=True, target_pods=0)))
