"""Latency of a workload before the look: from a saved series, or from Prometheus, a named one or the cluster's."""

from __future__ import annotations

from collections.abc import Callable

from unslow.collect import prom_cluster, prom_login, prom_workload, prometheus
from unslow.collect.prom_workload import NoMetric, Owner, Past
from unslow.collect.prometheus_api import Api
from unslow.collect.saved_series import read_series
from unslow.evidence.window import Window
from unslow.kube.client import Client
from unslow.settings import Looking

PATIENCE_S = 10.0
"""For all answers: they are waited for beside the latency window."""


class TimeBefore:
    """`begin` as soon as it is known what is requested, `result` when the window is over."""

    def __init__(self, looking: Looking, client: Client, owner: Owner, ask: Callable[..., Callable[[], Past]]) -> None:
        """`ask` begins a question and gives back the way to its answer."""
        self._looking = looking
        self._client = client
        self._owner = owner
        self._ask = ask
        self._answer: Callable[[], Past] | None = None

    def begin(self, path: str, at_s: float) -> None:
        """Requests to `path` before `at_s` (Unix seconds) are asked for."""
        self._answer = self._ask(past, self._looking, self._client, self._owner, path, at_s)

    def result(self) -> Past | None:
        """Raises `Unavailable` where there is no such series, `BadInput` for an unusable file. None: not begun."""
        return self._answer() if self._answer else None


def past(looking: Looking, client: Client, owner: Owner, path: str, at_s: float) -> Past:
    """What the workload's requests to `path` took before `at_s` (Unix seconds). Raises `Unavailable`, `BadInput`."""
    if looking.series:
        return Past(series=read_series(looking.series), by_pod={})
    login = prom_login.of(looking.prometheus_config, looking.prometheus_headers)
    with prom_cluster.metrics(client, owner.namespace, looking.prometheus, login, PATIENCE_S) as api:
        try:
            return prom_workload.past(api, owner, path, at_s)
        except NoMetric as missing:
            if not (looking.prometheus and path):
                raise
            return _by_name(api, owner, path, at_s, missing)


def _by_name(api: Api, owner: Owner, path: str, at_s: float, missing: NoMetric) -> Past:
    """From a server that was named and knows no namespaces: then a service of the workload's name is taken for it."""
    window = Window(start_s=at_s - prom_workload.LOOKS_BACK_S[0], end_s=at_s)
    source = prometheus.find(api, window, owner.name, path)
    if owner.name.lower() not in {value.lower() for value in source.equal.values()}:
        raise missing  # the only service that it knows is another one
    return Past(series=prometheus.over_time(api, window, source), by_pod={})
