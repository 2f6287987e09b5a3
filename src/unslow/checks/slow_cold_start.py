"""New pods take long until they serve: finding a node, pulling the image, starting, or the probe's own delay.

Signature   pods that came up in or just before the window (or still do), 20 s or more from created to ready
Look-alike  pods_pending: no node at all; probe_kills_pods: ready never comes; a pod that says it is not ready
Blind to    starts whose events are forgotten
Reference   the start is the sum of scheduling, pull, init containers, and start to ready
"""

from __future__ import annotations

import msgspec

from unslow.evidence.cluster import Events, Pod, Pods, Provisioning, Start
from unslow.evidence.window import Window
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.cluster_claims import Behind, behind
from unslow.measure.cluster_probes import is_coming
from unslow.measure.cluster_provisioning import churn
from unslow.measure.cluster_sizing import mib

SLOW_S = 20.0
"""A server in an interpreted language is up in a few seconds."""
RECENT_S = 600.0


def check(
    pods: Pods,
    window: Window,
    provisioning: Provisioning | None = None,
    events: Events | None = None,
    account: Account | None = None,
) -> Finding | Clear | Skipped:
    young = [pod for pod in pods.live if _is_young(pod, window) and (pod.ready or is_coming(pod, events))]
    if not young:
        return Clear(f"none of {len(pods.live)} pods started in the last {RECENT_S / 60:.0f} min")
    timed = [(pod, start) for pod in young if (start := _start(pod, window)) and _stages(start)]
    if not timed:
        return Skipped("events")
    pod, start = max(timed, key=lambda one: (_total_s(one[1]), one[0].name))
    stages = _stages(start)
    measured = f"{pod.name} took {_total_s(start):.0f} s: " + ", ".join(f"{name} {s:.1f} s" for name, s in stages)
    absent = any(not pod.ready or (pod.ready_since_s or 0.0) > window.start_s for pod in young)
    waiting = _waiting(account, absent)
    cold = behind(account, "cold start")
    if not cold.claims and (_total_s(start) < SLOW_S or not absent):
        return Clear(f"{measured}; all new pods were ready before the window" if not absent else measured)
    stage = max(stages, key=lambda one: one[1])[0]
    moved = churn(provisioning)
    return Finding(
        title=f"pods start slowly: {stage}",
        because=f"{len(young)} of {len(pods.live)} pods are new; {measured}{f'; {moved}' if moved else ''}; {waiting.words}",
        place=f"start of {pod.name}",
        claims=waiting.claims,
        # While a new pod is not ready, it is also the reason that endpoints are missing.
        confidence=waiting.surer(0.88, 0.74) if absent else 0.82,
        keeps_waiting=absent,
        next_steps=(
            _step(stage, start),
            *(("stop the churn: raise consolidateAfter, or set a disruption budget",) if moved else ()),
        ),
        fixes=("faster_start",),
        evidence=("pods",),
    )


def _is_young(pod: Pod, window: Window) -> bool:
    if not pod.node:
        return False
    came = pod.ready_since_s if pod.ready and pod.ready_since_s is not None else pod.created_s
    return (came is not None and came >= window.start_s - RECENT_S) or (not pod.ready and came is None)


def _start(pod: Pod, window: Window) -> Start | None:
    """With the time since the container's start as its last stage, as long as the pod is not ready."""
    began = [one.started_s for one in pod.application if one.started_s is not None]
    if pod.ready or not began:
        return pod.start
    so_far = window.end_s - max(began)
    return msgspec.structs.replace(pod.start or Start(), starting_s=so_far)


def _stages(start: Start) -> list[tuple[str, float]]:
    named = (
        ("finding a node", start.scheduling_s),
        ("pulling the image", start.pull_s),
        ("init containers", start.init_s),
        ("from start to ready", start.starting_s),
    )
    return [(name, seconds) for name, seconds in named if seconds is not None]


def _total_s(start: Start) -> float:
    return sum(seconds for _, seconds in _stages(start))


def _waiting(account: Account | None, absent: bool) -> Behind:
    cold = behind(account, "cold start")
    # While they are missing the others are short of workers; once all are ready, a queue has another cause.
    return cold if cold.claims or not absent else behind(account, "queue")


def _step(stage: str, start: Start) -> str:
    if stage == "pulling the image":
        size = f" of {mib(start.pulled_bytes)}" if start.pulled_bytes else ""
        return (
            f"make the image{size} smaller or pull it before it is needed: the pull takes {start.pull_s or 0.0:.0f} s"
        )
    if stage == "finding a node":
        return "keep spare room (a low-priority placeholder), so that a pod does not wait for a machine"
    if stage == "init containers":
        return "move the init containers' work to the image build, or make it parallel"
    return "profile the import (python -X importtime) and lower the readiness probe's initial delay and period"
