"""The way to Prometheus: an address that was given, or a server found in the cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from unslow.collect import prom_cluster
from unslow.collect.prometheus_api import Api
from unslow.runbook.situation import Situation


@contextlib.contextmanager
def reached(situation: Situation) -> Iterator[Api]:
    """The server while open. Raises `Unavailable` when there is none, or no way to it."""
    options = situation.options
    if options.prometheus:
        yield Api(options.prometheus, options.prometheus_login)
        return
    with prom_cluster.reached(
        situation.client,
        situation.namespace,
        prom_cluster.METRICS,
        "Prometheus",
        "--prometheus",
        options.prometheus_login,
    ) as (address, login):
        yield Api(address, login)
