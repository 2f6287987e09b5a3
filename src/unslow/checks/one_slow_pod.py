"""One pod, node, zone or version is slower than its twins.

Signature   its mean response time is half as much again as that of all others together, beyond sampling error
Look-alike  uneven_load: it gets more requests; a pod that is slow in a handful of requests; all pods slow alike
Blind to    twins that serve different tenants or routes; pods that nobody times one by one
Reference   pods of one workload are each other's control group
"""

from __future__ import annotations

from unslow.evidence.cluster import Nodes, Pod, Pods
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.cluster_claims import claims_of
from unslow.measure.cluster_cpu import stand_still_alone
from unslow.measure.cluster_nodes import load
from unslow.measure.cluster_pods import Outlier, outlier
from unslow.measure.significance import ms


def check(pods: Pods, nodes: Nodes | None = None, account: Account | None = None) -> Finding | Clear | Skipped:
    serving = [pod for pod in pods.live if pod.phase == "Running"]
    if len(serving) < 2:
        return Clear(f"{len(serving)} running pod has no twin")
    timed = [pod for pod in serving if pod.latency]
    if len(timed) < 2:
        return Skipped("pod latency")
    slow = outlier(timed)
    means = [pod.latency.mean_s for pod in timed if pod.latency]
    if slow is None:
        return Clear(f"{len(timed)} pods take {ms(min(means))} to {ms(max(means))} on average")
    claims = claims_of(account, slow, pods.looked_into)
    return Finding(
        title=f"{slow.by} {slow.name} is slower than the others",
        because=(
            f"{ms(slow.mean_s)} on average against {ms(slow.others_s)} of {slow.others} other pods, with {slow.share:.0%} "
            f"of the requests: {ms(slow.cost_s)} of the mean request{_differs(slow, timed)}"
        ),
        place=f"{slow.by} {slow.name}",
        claims=claims,
        # A full node under the slow pods alone, or a quota that stops them alone, is the cause; this is what it looks like.
        confidence=0.5
        if _is_starved(slow, timed, nodes) or stand_still_alone(slow.pods, timed)
        else 0.9
        if claims
        else 0.6,
        next_steps=_next_steps(slow, timed, nodes),
        fixes=("replace_pod",) if slow.by == "pod" else ("spread_pods",) if slow.by != "version" else ("roll_back",),
        evidence=("pods.latency",),
    )


def _differs(slow: Outlier, timed: list[Pod]) -> str:
    """Facts in which the slow pods differ from all others."""
    ours = [pod for pod in timed if pod.name in slow.pods]
    others = [pod for pod in timed if pod.name not in slow.pods]
    facts: tuple[tuple[str, set[str], set[str]], ...] = (
        ("node", {pod.node for pod in ours}, {pod.node for pod in others}),
        ("zone", {pod.zone for pod in ours}, {pod.zone for pod in others}),
        ("version", {pod.version for pod in ours}, {pod.version for pod in others}),
    )
    apart = [
        f"{name} {', '.join(sorted(mine))}"
        for name, mine, theirs in facts
        if mine and "" not in mine and not mine & theirs and name != slow.by
    ]
    return f"; alone on {' and '.join(apart)}" if apart else ""


def _is_starved(slow: Outlier, timed: list[Pod], nodes: Nodes | None) -> bool:
    full = {node.name for node in (nodes.nodes if nodes else ()) if load(node).is_full}
    ours = {pod.node for pod in timed if pod.name in slow.pods}
    others = {pod.node for pod in timed if pod.name not in slow.pods}
    return bool(ours) and ours <= full and not others & full


def _next_steps(slow: Outlier, timed: list[Pod], nodes: Nodes | None) -> tuple[str, ...]:
    first = slow.pods[0]
    twin = next(pod.name for pod in timed if pod.name not in slow.pods)
    steps = [f"compare it with a healthy twin before anything restarts it: look into {first} and {twin} alike"]
    names = {pod.node for pod in timed if pod.name in slow.pods}
    steps += [load(node).words for node in (nodes.nodes if nodes else ()) if node.name in names and load(node).is_full]
    if slow.by == "version":
        steps.append("stop the rollout, or go back to the version before")
    else:
        steps.append(
            f"take it out of the Service by a label, keep it for inspection, and let a new pod replace {first}"
        )
    return tuple(steps)
