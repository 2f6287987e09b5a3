"""A container's own counters of CPU and memory, read by `cat` inside it: two milliseconds of its CPU.

They tell what the API does not: throttled periods where the kubelet may not be asked, and processes that the kernel
killed for memory while the container went on.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from unslow.errors import Unavailable
from unslow.evidence.cluster import Usage

if TYPE_CHECKING:
    from unslow.collect.cluster_inside import Place
    from unslow.kube.client import Client

FILES = (
    "/sys/fs/cgroup/cpu.stat",
    "/sys/fs/cgroup/memory.events",
    "/sys/fs/cgroup/cpu/cpu.stat",
    "/sys/fs/cgroup/memory/memory.oom_control",
    "/sys/fs/cgroup/cpuacct/cpuacct.usage",
)
"""Of version 2, then of version 1; `cat` goes on after one that is not there."""
PATIENCE_S = 5.0
_FIELD = re.compile(r"^(\w+) (\d+)$", re.MULTILINE)
_ALONE = re.compile(r"^(\d+)$", re.MULTILINE)


class Counters(NamedTuple):
    """Since the container was made."""

    at_s: float
    periods: int
    """0 without a quota."""
    throttled: int
    throttled_s: float
    used_s: float | None
    oom_kills: int | None


def read(client: Client, place: Place) -> Counters:
    """Raises `Unavailable` where the image has no `cat`, exec is not allowed, or nothing is counted."""
    from unslow.kube.execute import execute  # WebSockets load slowly, and only who looks inside needs them

    result = execute(client, place.namespace, place.pod, ("cat", *FILES), container=place.container, seconds=PATIENCE_S)
    found = counters(result.stdout.decode(errors="replace"), time.time())
    if found is None:
        raise Unavailable(
            f"the counters of container {place.container}", "let the kubelet tell: deploy/rbac/kubelet-metrics.yaml"
        )
    return found


def counters(text: str, at_s: float) -> Counters | None:
    """The files one after another; None when nothing is counted in them."""
    fields = {name: int(value) for name, value in _FIELD.findall(text)}
    if not fields.keys() & {"nr_periods", "usage_usec", "oom_kill"}:
        return None
    alone = _ALONE.search(text)
    used_s = fields["usage_usec"] / 1e6 if "usage_usec" in fields else int(alone[1]) / 1e9 if alone else None
    throttled_s = fields.get("throttled_usec", 0) / 1e6 or fields.get("throttled_time", 0) / 1e9
    return Counters(
        at_s,
        fields.get("nr_periods", 0),
        fields.get("nr_throttled", 0),
        throttled_s,
        used_s,
        fields.get("oom_kill"),
    )


def between(first: Counters, last: Counters) -> Usage:
    """Of a container that began anew in between, what it counted since then."""
    if last.periods < first.periods or (last.used_s or 0.0) < (first.used_s or 0.0):
        first = Counters(first.at_s, 0, 0, 0.0, None, None)
    used = None if first.used_s is None or last.used_s is None else last.used_s - first.used_s
    seconds = last.at_s - first.at_s
    return Usage(
        cores=used / seconds if used is not None and seconds > 0 else None,
        cfs_periods=last.periods - first.periods,
        cfs_throttled_periods=last.throttled - first.throttled,
        cfs_throttled_s=last.throttled_s - first.throttled_s,
        oom_kills=last.oom_kills,
    )


def over(known: Usage | None, own: Usage) -> Usage:
    """What others tell of the container, with its own counters in the place of theirs."""
    if known is None:
        return own
    return replace(
        known,
        cores=known.cores if own.cores is None else own.cores,
        cfs_periods=own.cfs_periods,
        cfs_throttled_periods=own.cfs_throttled_periods,
        cfs_throttled_s=own.cfs_throttled_s,
        oom_kills=own.oom_kills,
    )
