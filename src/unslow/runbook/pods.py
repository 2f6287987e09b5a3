"""The pods: what they use, where they run, how often they were restarted."""

from __future__ import annotations

import time

from unslow.evidence.cluster import Container, Pod
from unslow.runbook.situation import Situation, shortened, table
from unslow.runbook.step import Outcome

TITLE = "Pod metrics"
SECTION = "Initial Assessment 2"
ASKS = "What does each container use, on which node and version, and is one pod unlike its twins?"


def commands(situation: Situation) -> tuple[str, ...]:
    namespace = situation.namespace
    return (f"kubectl top pods -n {namespace} --containers", f"kubectl get pods -n {namespace} -o wide")


def run(situation: Situation) -> Outcome:
    gaps = situation.gaps("pods", "autoscalers")
    pods = situation.pods
    if not pods:
        gone = "The workload has no pod: nothing can answer."
        return Outcome(state="done" if situation.cluster.pods else "unavailable", means=(gone,), gaps=gaps)
    now_s = time.time()
    head = ("POD", "CONTAINER", "CPU", "MEMORY", "STATE", "RESTARTS", "AGE", "NODE", "ZONE", "VERSION")
    rows = [_row(pod, container, now_s) for pod in pods for container in pod.containers if not container.init]
    means = [f"{pod.name} is not ready ({_why(pod)})." for pod in pods if not pod.ready and not pod.terminating] + list(
        situation.causes("one_slow_pod", "probe_kills_pods", "pods_pending", "slow_cold_start", "memory_pressure")
    )
    restarts = sum(container.restarts for pod in pods for container in pod.containers)
    everyone = "All pods are ready" if len(pods) > 1 else "The pod is ready"
    alike = "none is unlike its twins" if len(pods) > 1 else "it has no twin to compare it with"
    calm = f"{everyone} ({len(pods)}); {restarts} restarts since they were made; {alike}."
    return Outcome(result=table(head, rows), means=tuple(means) or (calm,), gaps=gaps)


def _row(pod: Pod, container: Container, now_s: float) -> tuple[str, ...]:
    usage = container.usage
    return (
        shortened(pod.name),
        container.name,
        "-" if usage is None or usage.cores is None else f"{usage.cores * 1000:.0f}m",
        "-" if usage is None or usage.memory_bytes is None else f"{usage.memory_bytes / 2**20:.0f}Mi",
        container.state or pod.phase,
        str(container.restarts),
        "-" if pod.created_s is None else age(now_s - pod.created_s),
        pod.node or "-",
        pod.zone or "-",
        pod.version or "-",
    )


def age(seconds: float) -> str:
    """The two largest units would be more than anybody reads."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{max(0.0, seconds):.0f}s"


def _why(pod: Pod) -> str:
    waiting = [f"{one.name}: {one.state}" for one in pod.containers if one.state not in {"running", ""}]
    failing = [probe.message for one in pod.containers for probe in one.probes if probe.message]
    return pod.unschedulable or "; ".join(waiting or failing) or pod.phase
