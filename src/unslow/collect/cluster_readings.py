"""What containers and nodes use: the metrics API, and the kubelet's own page (cAdvisor) where it may be read.

Each sample of that page has a time of its own, up to a quarter of a minute old: rates are taken over those times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from unslow.collect.cluster_nodes import Used
from unslow.evidence.cluster import Usage
from unslow.kube import custom
from unslow.kube.quantity import quantity, whole

Key = tuple[str, str, str]
"""Namespace, pod, container."""

_CPU = "container_cpu_usage_seconds_total"
_PERIODS = "container_cpu_cfs_periods_total"
_THROTTLED = "container_cpu_cfs_throttled_periods_total"
_THROTTLED_S = "container_cpu_cfs_throttled_seconds_total"
_MEMORY = "container_memory_working_set_bytes"
_FAULTS = "container_memory_failures_total"
_CPU_PRESSURE = "container_pressure_cpu_waiting_seconds_total"
_MEMORY_PRESSURE = "container_pressure_memory_waiting_seconds_total"
RATES = (_CPU, _PERIODS, _THROTTLED, _THROTTLED_S, _MEMORY, _CPU_PRESSURE, _MEMORY_PRESSURE)
"""One series a container, by their names alone."""
_WANTED = (*RATES, _FAULTS)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Sample:
    value: float
    at_s: float


@dataclass(slots=True)
class KubeletPage:
    """One reading of one or more nodes."""

    samples: dict[tuple[Key, str], Sample] = field(default_factory=dict)

    def add(self, text: str) -> None:
        """Lines without a container are of the pod as a whole: counting them too would count double."""
        for line in text.split("\n"):
            if not line.startswith(_WANTED):
                continue
            parsed = _parsed(line)
            if parsed is not None:
                key, metric, sample = parsed
                known = self.samples.get((key, metric))
                if known is None or sample.at_s >= known.at_s:  # a restarted container is listed twice for a while
                    self.samples[key, metric] = sample


def _parsed(line: str) -> tuple[Key, str, Sample] | None:
    opened, closed = line.find("{"), line.rfind("}")
    if opened < 0 or closed < 0:
        return None
    metric, labels = line[:opened], dict(_LABEL.findall(line[opened:closed]))
    container = labels.get("container", "")
    if not container or not labels.get("pod") or labels.get("cpu", "total") != "total":
        return None
    if metric == _FAULTS and (labels.get("failure_type") != "pgmajfault" or labels.get("scope") != "container"):
        return None
    numbers = line[closed + 1 :].split()
    try:
        value, stamp = float(numbers[0]), float(numbers[1]) / 1000.0
    except (IndexError, ValueError):
        return None
    return (labels.get("namespace", ""), labels["pod"], container), metric, Sample(value, stamp)


class Differences:
    """Two readings of the kubelets' pages."""

    def __init__(self, first: KubeletPage, last: KubeletPage) -> None:
        self._first = first.samples
        self._last = last.samples

    def rate(self, key: Key, metric: str) -> float | None:
        """Per second; None when the kubelet did not read anew in between, or a counter went back."""
        pair = self._pair(key, metric)
        return None if pair is None else (pair[1].value - pair[0].value) / (pair[1].at_s - pair[0].at_s)

    def grown(self, key: Key, metric: str) -> float | None:
        pair = self._pair(key, metric)
        return None if pair is None else pair[1].value - pair[0].value

    def latest(self, key: Key, metric: str) -> float | None:
        sample = self._last.get((key, metric))
        return None if sample is None else sample.value

    def keys(self) -> set[Key]:
        return {key for key, _ in self._last}

    def _pair(self, key: Key, metric: str) -> tuple[Sample, Sample] | None:
        before, after = self._first.get((key, metric)), self._last.get((key, metric))
        if before is None or after is None or after.at_s <= before.at_s or after.value < before.value:
            return None
        return before, after


def usage(
    namespace: str, pods: Iterable[custom.PodMetrics], differences: Differences | None
) -> dict[tuple[str, str], Usage]:
    """By pod and container, of one namespace; the kubelet's figures where there are some, else the metrics API's."""
    found: dict[tuple[str, str], Usage] = {}
    for pod in pods:
        for container in pod.containers or ():
            found[pod.metadata.name, container.name] = Usage(
                cores=quantity(container.usage.get("cpu")), memory_bytes=whole(container.usage.get("memory"))
            )
    for key in differences.keys() if differences else ():
        if differences is not None and key[0] == namespace:
            found[key[1], key[2]] = _usage(key, differences, found.get((key[1], key[2]), Usage()))
    return found


def _usage(key: Key, differences: Differences, known: Usage) -> Usage:
    cores = differences.rate(key, _CPU)
    periods, throttled = differences.grown(key, _PERIODS), differences.grown(key, _THROTTLED)
    memory = differences.latest(key, _MEMORY)
    unlimited = differences.grown(key, _CPU) is not None and differences.latest(key, _PERIODS) is None
    return Usage(
        cores=known.cores if cores is None else cores,
        memory_bytes=known.memory_bytes if memory is None else int(memory),
        cfs_periods=0 if unlimited else _int(periods),
        cfs_throttled_periods=0 if unlimited else _int(throttled),
        cfs_throttled_s=0.0 if unlimited else differences.grown(key, _THROTTLED_S),
        cpu_pressure_ratio=differences.rate(key, _CPU_PRESSURE),
        memory_pressure_ratio=differences.rate(key, _MEMORY_PRESSURE),
        major_faults_per_s=differences.rate(key, _FAULTS),
    )


def _int(value: float | None) -> int | None:
    return None if value is None else int(value)


def used_by_pods(pods: Iterable[custom.PodMetrics], differences: Differences | None) -> dict[tuple[str, str], Used]:
    """By namespace and pod: all their containers together."""
    found: dict[tuple[str, str], Used] = {}
    for pod in pods:
        usages = [container.usage for container in pod.containers or ()]
        found[pod.metadata.namespace, pod.metadata.name] = Used(
            sum(quantity(one.get("cpu")) or 0.0 for one in usages),
            sum(whole(one.get("memory")) or 0 for one in usages),
        )
    sums: dict[tuple[str, str], list[float]] = {}
    for key in differences.keys() if differences else ():
        rate = differences.rate(key, _CPU) if differences else None
        if rate is not None and differences is not None:
            total = sums.setdefault((key[0], key[1]), [0.0, 0.0])
            total[0] += rate
            total[1] += differences.latest(key, _MEMORY) or 0.0
    return found | {name: Used(cores, int(size)) for name, (cores, size) in sums.items()}


def used_by_nodes(found: Iterable[custom.NodeMetrics]) -> Mapping[str, Used]:
    return {one.metadata.name: Used(quantity(one.usage.get("cpu")), whole(one.usage.get("memory"))) for one in found}
