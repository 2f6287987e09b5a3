"""What to look at and how: the options of one diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec


class Looking(msgspec.Struct, frozen=True, kw_only=True):
    """What to look at and how; the command line's options."""

    target: str
    """A URL served on this machine, the path of a bundle, or a workload: `NAMESPACE/WORKLOAD`, `deploy/NAME`, `svc/NAME`."""
    budget_s: float = 30.0
    """Seconds for all collectors together."""
    postgres: str | None = None
    redis: str | None = None
    logs: tuple[Path, ...] = ()
    spans: Path | None = None
    otlp_port: int | None = None
    prometheus: str | None = None
    prometheus_config: Path | None = None
    prometheus_headers: Mapping[str, str] = {}
    series: Path | None = None
    headers: Mapping[str, str] = {}
    rate_per_s: float | None = None
    use_metrics: bool = True
    use_database: bool = True
    use_profile: bool = True
    use_baseline: bool = True
    kubeconfig: Path | None = None
    context: str = ""
    """Of the kubeconfig; empty: its current one. The following six too are only used for a workload."""
    namespace: str = ""
    """For `deploy/NAME` and its like; empty: the context's."""
    as_user: str = ""
    """Whom to impersonate."""
    as_groups: tuple[str, ...] = ()
    as_uid: str = ""
    cluster: str = ""
    """Of the kubeconfig, instead of the context's; so is the user."""
    user: str = ""
    path: str = ""
    """What to request of a workload, such as `/items`; empty: what its own metrics show as busiest."""
    debug_image: str = ""
    """With Python 3.11: may be added to a pod as a debug container where the pod's own image has none; empty: never."""
    use_exec: bool = True
    """Whether unslow may run its own readers inside the target's container, by exec."""
    node_image: str = ""
    """With Python 3.11: of small pods in the network of the workload's nodes, that read the nodes' counters; empty: never."""
    node_namespace: str = ""
    """Where those pods are made; empty: in the workload's own namespace."""
