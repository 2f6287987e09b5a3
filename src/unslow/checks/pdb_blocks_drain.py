"""A disruption budget keeps pods on a node that should be emptied.

Signature   a node with the pods is cordoned or tainted for disruption, and the budget allows none
Look-alike  a budget that allows none while nobody drains; pods that leave slowly by themselves
Blind to    drains that were given up
Reference   PodDisruptionBudget status: disruptionsAllowed, currentHealthy, desiredHealthy
"""

from __future__ import annotations

from unslow.evidence.cluster import Budgets, Node, Nodes
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.cluster_claims import behind
from unslow.measure.cluster_nodes import load, of_target

LEAVING = (
    "karpenter.sh/disrupted",
    "karpenter.sh/disruption",
    "ToBeDeletedByClusterAutoscaler",
    "node.kubernetes.io/unschedulable",
)


def check(budgets: Budgets, nodes: Nodes, account: Account | None = None) -> Finding | Clear:
    tight = [one for one in budgets.budgets if one.disruptions_allowed == 0]
    if not tight:
        allowed = [f"{one.name} allows {one.disruptions_allowed}" for one in budgets.budgets]
        return Clear("; ".join(allowed) or "0 disruption budgets select the pods")
    budget = tight[0]
    measured = f"{budget.name} allows 0 disruptions: {budget.healthy} healthy, {budget.desired_healthy} desired of {budget.expected}"
    leaving = [node for node in of_target(nodes) if _is_leaving(node)]
    if not leaving:
        return Clear(f"{measured}; no node of the pods is being drained")
    node = leaving[0]
    waiting = behind(account, "cpu contended") if load(node).is_full else None
    claims = waiting.claims if waiting else ()
    return Finding(
        title=f"a disruption budget keeps {node.target_pods} pods on a node that should be emptied",
        because=f"{measured}; node {node.name} is being drained{f'; {load(node).words}' if waiting else ''}: "
        "its pods stay where they are slow, and what waits for the node waits on",
        place=f"PDB {budget.name}",
        claims=claims,
        confidence=0.65 if claims else 0.35,
        next_steps=(
            f"let {budget.name} spare one pod: maxUnavailable 1, or one replica more than minAvailable",
            "if pods are unhealthy, that comes first: unhealthyPodEvictionPolicy AlwaysAllow lets them go",
        ),
        fixes=("relax_pdb",),
        evidence=("budgets", "nodes"),
    )


def _is_leaving(node: Node) -> bool:
    return node.cordoned or any(taint.key.startswith(LEAVING) for taint in node.taints)
