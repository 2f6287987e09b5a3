"""The ways to Prometheus and to Loki: an address that was given, or a server found in the cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from unslow.collect import prom_cluster
from unslow.collect.prom_login import Login
from unslow.collect.prometheus_api import Api
from unslow.runbook.situation import Situation


@contextlib.contextmanager
def reached(situation: Situation) -> Iterator[Api]:
    """Prometheus while open. Raises `Unavailable` when there is none, or no way to it."""
    options = situation.options
    with prom_cluster.metrics(
        situation.client, situation.namespace, options.prometheus, options.prometheus_login
    ) as api:
        yield api


@contextlib.contextmanager
def logs(situation: Situation) -> Iterator[tuple[str, Login]]:
    """Loki's address while open, and how to speak to it. Raises as `reached`."""
    options = situation.options
    if options.loki:
        yield options.loki, options.loki_login
        return
    with prom_cluster.reached(
        situation.client, situation.namespace, prom_cluster.LOGS, "Loki", "--loki", options.loki_login
    ) as found:
        yield found
