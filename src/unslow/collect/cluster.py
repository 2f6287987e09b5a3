"""A workload in Kubernetes -> evidence: the API server's objects, the kubelets' readings, and a look from inside a pod.

This module loads little, so that connections are opened while the rest is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from unslow.errors import CannotLook, Unavailable
from unslow.kube.client import Client
from unslow.kube.config import Access, load
from unslow.settings import Looking

if TYPE_CHECKING:
    from unslow.evidence import Evidence

GRACE_S = 5.0
"""Beyond the budget, until questions that are still open are given up."""
AT_ONCE = 10
"""Connections, and questions under way: some front ends have a short queue of new connections."""


def collect(looking: Looking, progress: Callable[[str], None]) -> Evidence:
    """Everything that can be known of the workload within the budget.

    Raises `CannotLook` when the API server does not answer or there is no such workload, `BadUsage` and `BadInput`
    for an unusable kubeconfig.
    """
    return _looked(looking, progress, measures=True)


def facts(looking: Looking, progress: Callable[[str], None]) -> Evidence:
    """The same without a latency window: what the API server knows now. Rates need a window and are missing."""
    return _looked(looking, progress, measures=False)


def access_of(looking: Looking) -> Access:
    """The way to the API server that the options name. Raises as `load` does."""
    return load(
        looking.kubeconfig,
        looking.context,
        looking.namespace,
        looking.as_user,
        looking.as_groups,
        as_uid=looking.as_uid,
        cluster=looking.cluster,
        user=looking.user,
    )


def _looked(looking: Looking, progress: Callable[[str], None], *, measures: bool) -> Evidence:
    access = access_of(looking)
    deadline = time.monotonic() + looking.budget_s + GRACE_S
    with Client(access, connections=AT_ONCE, deadline=deadline) as client:
        client.connections.warm(AT_ONCE)
        # Loaded while the handshakes are under way.
        from concurrent.futures import ThreadPoolExecutor

        from unslow.collect.cluster_look import Look

        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                return Look(looking, progress, client, pool, measures=measures).evidence()
            except Unavailable as error:
                raise CannotLook(error.missing, error.remedy) from error
