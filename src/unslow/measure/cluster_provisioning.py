"""Why a provisioner of nodes does not help, or does harm."""

from __future__ import annotations

from unslow.evidence.cluster import NodeClaim, NodePool, Provisioning

AT_LIMIT = 0.95
"""Of a pool's limit: the next node would not fit."""
LATE_S = 120.0
"""A machine that has not joined after this is not merely booting."""
NOT_YET = ("", "AwaitingReconciliation")
"""Reasons of a claim that nobody asked the cloud for yet; any other of one not launched is the cloud's refusal."""
CHURN_PER_H = 4.0
"""Nodes taken away an hour, from which pods spend their time moving."""


def obstacles(provisioning: Provisioning | None, now_s: float) -> tuple[str, ...]:
    """What stands between a Pending pod and a new node, in words with numbers; empty when nothing is known."""
    if provisioning is None:
        return ()
    pools = [words for pool in provisioning.pools for words in _of_pool(pool)]
    claims = [words for claim in provisioning.claims if (words := _of_claim(claim, now_s))]
    return (*pools, *claims)


def churn(provisioning: Provisioning | None) -> str:
    """A pool whose consolidation keeps moving pods; empty when none does."""
    for pool in provisioning.pools if provisioning else ():
        if (pool.disruptions_per_h or 0.0) >= CHURN_PER_H:
            return f"NodePool {pool.name} takes {pool.disruptions_per_h or 0.0:.0f} nodes away an hour ({pool.consolidation})"
    return ""


def _of_pool(pool: NodePool) -> list[str]:
    words = []
    if pool.limit_cores and (pool.used_cores or 0.0) >= AT_LIMIT * pool.limit_cores:
        words.append(f"NodePool {pool.name} has {pool.used_cores or 0.0:g} of its limit of {pool.limit_cores:g} cores")
    if pool.limit_bytes and (pool.used_bytes or 0) >= AT_LIMIT * pool.limit_bytes:
        words.append(f"NodePool {pool.name} is at its memory limit of {pool.limit_bytes / 2**30:.0f} GiB")
    words += [
        f"NodePool {pool.name} is not {one.type}: {one.reason} {one.message}".rstrip()
        for one in pool.conditions
        if one.status == "False"
    ]
    return words


def _of_claim(claim: NodeClaim, now_s: float) -> str:
    for one in claim.conditions:
        if one.type in {"Launched", "Registered", "Initialized"} and one.status != "True":
            age_s = now_s - claim.created_s
            # While a machine boots, Karpenter gives a reason too ("not registered yet"): a reason alone is no obstacle.
            refused = one.status == "False" or (one.type == "Launched" and one.reason not in NOT_YET)
            if refused or age_s >= LATE_S:
                why = f"{one.reason} {one.message}".strip() or "no reason given"
                return f"NodeClaim {claim.name} is not {one.type} after {age_s:.0f} s: {why}"
    return ""
