"""The load test as a Job: a fixed rate, one try, a deadline, removed in every case."""

from __future__ import annotations

import re
import secrets
import time

import msgspec

from unslow.errors import Unavailable
from unslow.kube.core import Pod, PodStatus
from unslow.kube.logs import log_lines
from unslow.kube.meta import Meta
from unslow.runbook.keeper import Undo
from unslow.runbook.situation import Options, Situation
from unslow.runbook.step import Gap, Outcome, Proposal

LABEL = "app.kubernetes.io/managed-by"
MANAGER = "unslow"
GRACE_S = 30
"""For the image and the start, beyond the load itself."""
TTL_S = 60
POLL_S = 1.0
_FIGURES = re.compile(r"^(# target \d+.*|Code +-?\d+ : .*|All done .*|Aborting.*|.* err(or)?s?: .*)$", re.IGNORECASE)


class _Job(msgspec.Struct, frozen=True):
    metadata: Meta


class _Condition(msgspec.Struct, frozen=True):
    type: str = ""
    status: str = ""
    message: str = ""


class _JobStatus(msgspec.Struct, frozen=True):
    conditions: tuple[_Condition, ...] | None = None


class _Running(msgspec.Struct, frozen=True):
    status: _JobStatus = _JobStatus()


def url(situation: Situation) -> str:
    """Of the first service that leads to the workload; empty when there is none."""
    for service in situation.services:
        if service.role == "target" and service.ports:
            return f"http://{service.name}.{service.namespace}:{service.ports[0].port}{situation.options.load_path}"
    return ""


def words(options: Options, target: str) -> list[str]:
    """Open loop: what is late is not left out. The first refusal of an overloaded server ends it."""
    rate = ["-qps", f"{options.load_rate:g}", "-t", f"{options.load_s}s", "-c", "16"]
    return ["load", *rate, "-uniform", "-nocatchup", "-abort-on", "503", "-timeout", "10s", target]


def elsewhere(situation: Situation) -> dict[str, object]:
    """Away from the workload's own nodes, where there are others: the load must not take their cores."""
    nodes = sorted({pod.node for pod in situation.pods if pod.node})
    if not nodes:
        return {}
    others = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": nodes}]}
    wish = {"weight": 100, "preference": others}
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}}


def manifest(situation: Situation, name: str, target: str) -> dict[str, object]:
    """Accepted by restricted Pod Security, owned by the workload, kept away from its nodes, without a sidecar."""
    options = situation.options
    labels = {LABEL: MANAGER, "app": name, "sidecar.istio.io/inject": "false"}
    container = {
        "name": "load",
        "image": options.load_image,
        "imagePullPolicy": "IfNotPresent",
        "args": words(options, target),
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "affinity": elsewhere(situation),
        "containers": [container],
    }
    notes = {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": situation.namespace, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": options.load_s + GRACE_S,
            "ttlSecondsAfterFinished": TTL_S,
            "template": {"metadata": {"labels": labels, "annotations": notes}, "spec": pod},
        },
    }


def proposal(situation: Situation) -> Proposal:
    options, target = situation.options, url(situation) or "http://SERVICE:PORT/"
    return Proposal(
        name="loadtest",
        what=f"a Job that sends {options.load_rate:g} requests a second for {options.load_s} s to {target}; only for a "
        "route that may be repeated, and with the consent of whoever owns the service",
        command=f"kubectl create -n {situation.namespace} -f - <<< JOB   # args: {' '.join(words(options, target))}",
        undo=f"kubectl delete job -n {situation.namespace} -l {LABEL}={MANAGER}",
    )


def run(situation: Situation) -> Outcome:
    target = url(situation)
    if not target:
        return Outcome(state="unavailable", gaps=(Gap("a service that leads to the workload", "see step 1"),))
    for verb in ("create", "delete"):
        refused = situation.refused(verb, "jobs", group="batch")
        if refused is not None:
            return Outcome(state="unavailable", gaps=(refused,))
    swept = sweep(situation)
    name = f"unslow-loadtest-{secrets.token_hex(3)}"
    jobs = f"/apis/batch/v1/namespaces/{situation.namespace}/jobs"
    undo = situation.keeper.promise(Undo(id=name, path=f"{jobs}/{name}"))
    try:
        situation.client.post(
            jobs, manifest(situation, name, target), _Job, asked=f"create jobs in namespace {situation.namespace}"
        )
        ended, text = _watched(situation, name)
    finally:
        situation.keeper.undo(undo)
    figures = tuple(line for line in text.splitlines() if _FIGURES.match(line))
    return Outcome(state="changed", result=(*swept, f"{target}: {ended}; the Job is removed", *figures))


def sweep(situation: Situation) -> tuple[str, ...]:
    """Removes finished load tests of ours that an earlier run could not."""
    jobs = f"/apis/batch/v1/namespaces/{situation.namespace}/jobs"
    told = []
    for job in situation.client.items(jobs, _Left, labels=f"{LABEL}={MANAGER}"):
        if any(one.status == "True" for one in job.status.conditions or ()):
            situation.client.delete(f"{jobs}/{job.metadata.name}", uid=job.metadata.uid)
            told.append(f"removed {job.metadata.name} of an earlier run")
    return tuple(told)


class _Left(msgspec.Struct, frozen=True):
    metadata: Meta
    status: _JobStatus = _JobStatus()


def _watched(situation: Situation, name: str) -> tuple[str, str]:
    """How it ended, and its output."""
    options, client, namespace = situation.options, situation.client, situation.namespace
    situation.progress(f"load test: {options.load_rate:g} requests a second for {options.load_s} s")
    until = time.monotonic() + options.load_s + GRACE_S
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}"
    ended = "not ended within its deadline"
    while time.monotonic() < until:
        time.sleep(POLL_S)
        done = [one for one in client.get(path, _Running).status.conditions or () if one.status == "True"]
        if any(one.type in {"Complete", "Failed"} for one in done):
            ended = "completed" if any(one.type == "Complete" for one in done) else f"failed: {done[0].message}"
            break
    return ended, _output(situation, name)


def _output(situation: Situation, name: str) -> str:
    path = f"/api/v1/namespaces/{situation.namespace}/pods"
    try:
        for pod in situation.client.items(path, Pod, labels=f"app={name}"):
            if pod.status != PodStatus():
                lines = log_lines(situation.client, situation.namespace, pod.metadata.name, "load")
                return "\n".join(line.text for line in lines)
    except Unavailable as error:
        return f"errors: {error.missing}"
    return ""
