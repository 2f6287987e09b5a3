"""Detailed tracing on one canary pod, by an annotation of the pod itself: nothing is restarted, and it is undone."""

from __future__ import annotations

import time

import msgspec

from unslow.evidence.cluster import Pod
from unslow.kube.errors import ApiError
from unslow.kube.meta import Meta
from unslow.runbook.keeper import Undo
from unslow.runbook.situation import Situation
from unslow.runbook.step import Gap, Outcome, Proposal

TITLE = "Detailed tracing"
SECTION = "Performance Investigation 1"
ASKS = "Can one pod tell where its time goes, without restarting all of them?"
SMALL = 0.2
"""Of the time: with less unexplained, traces would hardly add to it."""


class _Pod(msgspec.Struct, frozen=True):
    metadata: Meta


def commands(situation: Situation) -> tuple[str, ...]:
    pod = situation.slow_pod()
    name, note = pod.name if pod else "POD", situation.options.trace_annotation
    return (
        f"kubectl annotate pod -n {situation.namespace} {name} {note}=true",
        f"kubectl annotate pod -n {situation.namespace} {name} {note}-",
    )


def run(situation: Situation) -> Outcome:
    pod = situation.slow_pod()
    spans = situation.evidence.spans
    there = ("Traces of this window are there already: nothing needs to be switched on.",) if spans is not None else ()
    if pod is None:
        return Outcome(state="unavailable", gaps=(Gap("a running pod", "see step 2"),))
    note = situation.options.trace_annotation
    proposal = Proposal(
        name="tracing",
        what=f"set {note}=true on {pod.name} alone, for {situation.options.trace_s} s",
        command=commands(situation)[0],
        undo=commands(situation)[1],
    )
    means = (
        *there,
        *_known(situation),
        "Leave the pod template alone: a change restarts every pod, which destroys evidence, empties caches and may hide "
        "the fault. An annotation of one pod restarts nothing; it acts only where the application or an agent watches it.",
    )
    refused = situation.refused("patch", "pods")
    gaps = (*situation.gaps("spans"), *([refused] if refused else []))
    if "tracing" not in situation.options.allow or refused is not None:
        return Outcome(state="proposed", means=means, gaps=gaps, proposals=(proposal,))
    return msgspec.structs.replace(_switched(situation, pod, note), means=means, gaps=gaps)


def _known(situation: Situation) -> tuple[str, ...]:
    """Whether traces are needed: what the account of this run tells without them."""
    account = situation.diagnosis.account
    if not account.requests or account.now_ms <= 0 or situation.evidence.spans is not None:
        return ()
    dark = abs(account.unexplained_ms) / account.now_ms
    if dark < SMALL:
        return (f"Hardly needed here: {1 - dark:.0%} of the time is accounted for without traces.",)
    return (f"It may help here: {dark:.0%} of the time is not accounted for without traces.",)


def _switched(situation: Situation, pod: Pod, note: str) -> Outcome:
    path = f"/api/v1/namespaces/{situation.namespace}/pods/{pod.name}"
    found = situation.client.get(path, _Pod).metadata
    if note in (found.annotations or {}):
        return Outcome(result=(f"{pod.name} has {note} already; it is left as it is",))
    value = "true"
    undo = situation.keeper.promise(Undo(id=f"trace {pod.name}", path=path, uid=found.uid, annotations={note: value}))
    body = {"metadata": {"annotations": {note: value}, "uid": found.uid}}
    situation.client.patch(path, body, _Pod, asked=f"patch pods in namespace {situation.namespace}")
    seconds = situation.left_s(float(situation.options.trace_s))
    situation.progress(f"tracing {pod.name} for {seconds:.0f} s")
    time.sleep(seconds)
    situation.keeper.undo(undo)
    return Outcome(
        state="changed",
        result=(
            f"{note}={value} was on {pod.name} for {seconds:.0f} s, and {_now(situation, path, note)}",
            f"read what it recorded: unslow spans http://JAEGER-OR-TEMPO --service {situation.name}",
        ),
    )


def _now(situation: Situation, path: str, note: str) -> str:
    """Read back, not assumed: somebody may have set it anew, or the pod may have gone."""
    try:
        left = (situation.client.get(path, _Pod).metadata.annotations or {}).get(note)
    except ApiError as error:
        if error.code != 404:
            raise
        return "the pod has gone since"
    return "is gone again" if left is None else f"somebody has set it to {left!r} since: that is left as it is"
