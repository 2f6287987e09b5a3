"""The autoscaler turns round again and again: pods come and go, and each new one starts cold.

Signature   the direction of scaling reverses several times an hour
Look-alike  a ramp: many steps one way; one wave of load: up and down once
Blind to    rescalings that the event store has forgotten
Reference   stabilizationWindowSeconds; a metric that falls because pods were added rises when they go
"""

from __future__ import annotations

from unslow.evidence.cluster import Autoscalers
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.cluster_claims import behind
from unslow.measure.cluster_scaling import reversals

MANY_PER_H = 3.0
"""Up, down, up, down within an hour."""


def check(autoscalers: Autoscalers, account: Account | None = None) -> Finding | Clear:
    if not autoscalers.hpas:
        return Clear("no autoscaler")
    turns = {hpa.name: reversals(hpa.rescales) for hpa in autoscalers.hpas}
    hpa = max(autoscalers.hpas, key=lambda one: turns[one.name])
    hours = max(hpa.rescales_s, 1.0) / 3600
    measured = f"{hpa.name}: {len(hpa.rescales)} rescalings in {hours:.1f} h, {turns[hpa.name]} of them turned round"
    if turns[hpa.name] < MANY_PER_H * max(1.0, hours):
        return Clear(measured)
    cold = behind(account, "cold start")
    return Finding(
        title="the autoscaler flaps",
        because=f"{measured}: new pods start cold and connections break; {cold.words}",
        place=f"HPA {hpa.name}",
        claims=cold.claims,
        confidence=cold.surer(0.75, 0.45),
        next_steps=(
            f"raise behavior.scaleDown.stabilizationWindowSeconds of {hpa.name}"
            + (f" above {hpa.stabilization_down_s:.0f} s" if hpa.stabilization_down_s is not None else "")
            + ", and its minimum to what the quiet hours need",
        ),
        fixes=("stabilize_hpa",),
        evidence=("autoscalers",),
    )
