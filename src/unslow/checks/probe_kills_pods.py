"""A health probe restarts pods or takes them out of service although the application works.

Signature   liveness failures and kills; a readiness probe of a running container that asks in vain: no such page, port, or time
Look-alike  OOMKilled and crashes: the container ends by itself; slow_cold_start: nobody listens yet; an application that says no
Blind to    probes whose failures nobody counts and whose events are gone
Reference   a probe has 1 s by default; a slow pod that is restarted makes the others slower
"""

from __future__ import annotations

from unslow.evidence.cluster import Container, Events, Handler, Pod, Pods
from unslow.evidence.window import Window
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.cluster_claims import WAITING, Behind, behind
from unslow.measure.cluster_probes import accuses, last_words, reported

RECENT_S = 900.0
LEAST = 3
STARTING_S = 120.0
"""A process that refuses connections for longer than this is not merely starting."""


def check(
    pods: Pods, window: Window, events: Events | None = None, account: Account | None = None
) -> Finding | Clear | Skipped:
    probed = [(pod, one, probe) for pod in pods.live for one in pod.application for probe in one.probes]
    if not probed:
        return Clear(f"{len(pods.live)} pods have 0 probes")
    if events is None and all(probe.failures is None for _, _, probe in probed):
        return Skipped("events")
    failed = [
        (pod, one, probe, n) for pod, one, probe in probed if (n := _failures(pod, probe, events, window)) >= LEAST
    ]
    harmful = [found for found in failed if _does_harm(*found[:3], events, window)]
    if not harmful:
        return Clear(f"{len(probed)} probes, {len(failed)} of them failed at least {LEAST} times and none did harm")
    pod, one, probe, count = max(harmful, key=lambda found: (found[2].kind == "liveness", found[3], found[0].name))
    hit = {found[0].name for found in harmful}
    waiting = behind(account, *WAITING)
    if accuses(last_words(pod, probe, events)) == "slowness" and waiting.claims and len(hit) == len(pods.live):
        # It waits in the queue that the pods' requests wait in: what makes that queue is the cause of both.
        waiting = Behind(words=f"it stands in the same queue as the requests: {waiting.words}")
        confidence = 0.55
    else:
        confidence = waiting.surer(0.9, 0.75)
    liveness = probe.kind in {"liveness", "startup"}
    done = f"{one.restarts} restarts" if liveness else "it runs and is not ready"
    return Finding(
        title=f"the {probe.kind} probe {'restarts pods' if liveness else 'takes running pods out of service'}",
        because=(
            f"{len(hit)} of {len(pods.live)} pods; {pod.name}: {count} failures of {probe.action or 'the probe'} "
            f"(timeout {probe.timeout_s:g} s, every {probe.period_s:g} s, {probe.failure_threshold} in a row), {done}"
            f"{_said(last_words(pod, probe, events))}"
            f"{_latency(pod)}; {waiting.words}"
        ),
        place=f"{probe.kind} probe of {one.name}",
        claims=waiting.claims,
        confidence=confidence,
        keeps_waiting=accuses(last_words(pod, probe, events)) == "the probe",
        next_steps=(
            f"ask what the probe asks, from inside the pod, and time it; raise timeoutSeconds above {probe.timeout_s:g} s "
            "only if it answers late",
            "let the probe test the process alone, not its database or the services that it calls",
        ),
        fixes=("relax_probe",),
        evidence=("pods", "events") if events else ("pods",),
    )


def _failures(pod: Pod, probe: Handler, events: Events | None, window: Window) -> int:
    if probe.failures is not None:
        return probe.failures
    return sum(event.count for event in reported(pod, probe, events) if event.last_s >= window.start_s - RECENT_S)


def _does_harm(pod: Pod, one: Container, probe: Handler, events: Events | None, window: Window) -> bool:
    if probe.kind == "readiness":
        return not one.ready and one.state == "running" and _is_wrong(pod, one, probe, events, window)
    ended = one.last_termination
    by_itself = ended is not None and (ended.reason == "OOMKilled" or ended.exit_code not in {0, 137, 143})
    return one.restarts > 0 and not by_itself


def _is_wrong(pod: Pod, one: Container, probe: Handler, events: Events | None, window: Window) -> bool:
    """A readiness probe that hears from the application that it is not ready is right."""
    whom = accuses(last_words(pod, probe, events))
    if whom == "nobody listens":
        return one.started_s is not None and window.end_s - one.started_s >= STARTING_S
    return whom in {"the probe", "slowness"}


def _said(words: str) -> str:
    return f": {words}" if words else ""


def _latency(pod: Pod) -> str:
    return f"; it answers requests in {pod.latency.mean_s * 1e3:.0f} ms" if pod.latency else ""
