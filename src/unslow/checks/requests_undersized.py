"""The pods use more than they reserve, so their share shrinks whenever the node is full.

Signature   use above the request, on a node without idle cores; or memory above its request on a node that is short
Look-alike  cpu_throttled: the limit stops them, not the request; node_saturated: pods within their requests wait too
Blind to    use between two readings
Reference   a request is what a pod keeps under contention; everything above it is borrowed
"""

from __future__ import annotations

from unslow.evidence.cluster import Nodes, Pods
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.cluster_claims import behind
from unslow.measure.cluster_nodes import busiest_of_target
from unslow.measure.cluster_sizing import Reserved, mib, millicores, reserved, right_sizes

BORROWED = 1.2
"""Use over request from which the rest is not a fluctuation."""


def check(pods: Pods, nodes: Nodes | None = None, account: Account | None = None) -> Finding | Clear | Skipped:
    asked = [one for one in reserved(pods.pods) if one.cpu_request_cores or one.memory_request_bytes]
    if asked and all(one.cpu_used_cores is None and one.memory_used_bytes is None for one in asked):
        return Skipped("usage")
    borrowed = [words for one in asked for words in _borrowed(one)]
    if not borrowed:
        return Clear(
            f"the use of {len(asked)} of {len(asked)} containers with requests is within {BORROWED:.0%} of them"
        )
    waiting = behind(account, "cpu contended", normal=True)
    busy = busiest_of_target(nodes)
    full = busy is not None and busy.is_full
    reason = busy.words if busy else "how full its nodes are is not known"
    if busy is not None and not full:
        return Clear(f"{'; '.join(borrowed)}, and the node has cores to lend: {reason}")
    return Finding(
        title="the pods use more than they reserve",
        because=f"{'; '.join(borrowed)}; {reason}; {waiting.words}",
        place=", ".join(sorted({words.split(" ")[0] for words in borrowed})),
        claims=waiting.claims if full else (),
        confidence=0.2 if not full else waiting.surer(0.65, 0.4),
        next_steps=(
            *(
                tuple(f"reserve what {size.container} uses: {size.formula}" for size in right_sizes(pods.pods))
                or ("raise resources.requests to the 95th percentile of a day's use",)
            ),
            "check first that the larger pods fit the nodes and the quota; an HPA on CPU percentage counts against "
            "requests, so look at its target too",
        ),
        fixes=("set_requests",),
        evidence=("pods", "nodes") if nodes else ("pods",),
    )


def _borrowed(one: Reserved) -> list[str]:
    words = []
    if one.cpu_request_cores and (one.cpu_used_cores or 0.0) > BORROWED * one.cpu_request_cores:
        words.append(
            f"{one.container} uses {millicores(one.cpu_used_cores or 0.0)} of CPU and reserves {millicores(one.cpu_request_cores)}"
        )
    if one.memory_request_bytes and (one.memory_used_bytes or 0) > BORROWED * one.memory_request_bytes:
        words.append(
            f"{one.container} holds {mib(one.memory_used_bytes or 0)} and reserves {mib(one.memory_request_bytes)}"
        )
    return words
