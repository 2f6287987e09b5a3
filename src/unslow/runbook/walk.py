"""Walks through the steps in their order. One that fails says so, and the next goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from types import ModuleType

import msgspec

from unslow import bundle
from unslow.collect import cluster as collect_cluster
from unslow.collect import cluster_target
from unslow.diagnose import diagnose
from unslow.errors import BadUsage, CannotLook, Unavailable
from unslow.evidence import Evidence
from unslow.kube.client import Client
from unslow.redaction import redact_evidence
from unslow.runbook import CHANGING, STEPS
from unslow.runbook.keeper import Keeper
from unslow.runbook.situation import Options, Situation
from unslow.runbook.step import Gap, Outcome, Page, Step
from unslow.settings import Looking

STEPS_S = 120.0
"""For all steps together, beyond the look itself and the waiting that was allowed."""


def walk(
    looking: Looking,
    options: Options,
    progress: Callable[[str], None],
    show: Callable[[Step], None] = lambda step: None,
) -> Page:
    """All steps; `show` gets each when it is done. Raises `BadUsage`, `BadInput`, `CannotLook`."""
    unknown = options.allow - set(CHANGING)
    if unknown:
        raise BadUsage(f"--allow does not know {', '.join(sorted(unknown))}", f"it takes: {', '.join(CHANGING)}")
    started_s, begun = time.time(), time.monotonic()
    evidence = _evidence(looking, progress)
    access = collect_cluster.access_of(looking)
    deadline = time.monotonic() + STEPS_S + options.capture_s + options.trace_s + options.load_s
    with Client(access, deadline=deadline) as client, ThreadPoolExecutor(4) as pool, Keeper(client) as keeper:
        kind, namespace, name = _workload(evidence, client, looking.target, access.namespace, pool)
        situation = Situation(
            client=client,
            namespace=namespace,
            name=name,
            kind=kind,
            evidence=evidence,
            diagnosis=diagnose(evidence),
            options=options,
            keeper=keeper,
            deadline=deadline,
            progress=progress,
        )
        steps = []
        for step in _steps(situation):
            show(step)
            steps.append(step)
    return Page(
        target=f"{namespace}/{name}",
        context=access.context,
        started=datetime.fromtimestamp(started_s, UTC).isoformat(timespec="seconds"),
        verdict=situation.diagnosis.verdict,
        headline=situation.diagnosis.headline,
        steps=tuple(steps),
        took_s=time.monotonic() - begun,
        requests=client.requests,
    )


def _workload(evidence: Evidence, client: Client, target: str, namespace: str, pool: Executor) -> tuple[str, str, str]:
    """Kind, namespace and name: as the look found them, so that the page comes also when the API server has gone since."""
    found = evidence.cluster.workload if evidence.cluster else None
    if found is not None:
        return found.kind, found.namespace, found.name
    try:
        finders = cluster_target.finders(client, target, namespace, pool)
        resolved = cluster_target.resolve(client, target, namespace, finders)
    except Unavailable as error:
        raise CannotLook(error.missing, error.remedy) from error
    return resolved.kind, resolved.namespace, resolved.name


def _evidence(looking: Looking, progress: Callable[[str], None]) -> Evidence:
    """The full look; objects that its time did not suffice for are asked for again, on their own."""
    found = collect_cluster.collect(looking, progress)
    if found.cluster is None or found.cluster.pods is None:
        progress("asking again for what there was no time for")
        again = collect_cluster.facts(looking, progress)
        known = {probe.name: probe for probe in again.probes if probe.result == "ok"}
        probes = tuple(known.get(probe.name, probe) if probe.result != "ok" else probe for probe in found.probes)
        found = msgspec.structs.replace(found, cluster=again.cluster, probes=probes)
    return bundle.decode(bundle.encode(redact_evidence(found)))


def _steps(situation: Situation) -> Iterator[Step]:
    for number, name in enumerate(STEPS, 1):
        module = import_module(f"unslow.runbook.{name}")
        begun = time.monotonic()
        outcome = _outcome(module, situation)
        yield Step(
            number=number,
            id=name,
            title=module.TITLE,
            section=module.SECTION,
            asks=module.ASKS,
            commands=module.commands(situation),
            took_s=time.monotonic() - begun,
            **msgspec.structs.asdict(outcome),
        )


def _outcome(module: ModuleType, situation: Situation) -> Outcome:
    try:
        outcome: Outcome = module.run(situation)
    except Unavailable as error:
        return Outcome(state="unavailable", gaps=(Gap(error.missing, error.remedy),))
    return outcome
