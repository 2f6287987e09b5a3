"""Latency before the look: from a saved series, or from the Prometheus that was named."""

from __future__ import annotations

from unslow.collect import prom_login, prometheus
from unslow.collect.saved_series import read_series
from unslow.errors import Unavailable
from unslow.evidence.series import Series
from unslow.evidence.window import Window
from unslow.settings import Looking

LOOK_BACK_S = 3 * 3600.0


def series(looking: Looking, service: str, path: str, end_s: float) -> Series:
    """Of the route `path` of `service`, up to `end_s`. Raises `Unavailable`, `BadInput` for an unusable file."""
    if looking.series:
        return read_series(looking.series)
    if not looking.prometheus:
        raise Unavailable(
            "a series that reaches back", "name a Prometheus server or a saved series: --prometheus URL, --series FILE"
        )
    if not path:
        # Of all routes together it would be another quantity than what is measured now, of one.
        raise Unavailable("the route whose time before is wanted", "name it: --path PATH")
    past = Window(start_s=end_s - LOOK_BACK_S, end_s=end_s)
    login = prom_login.of(looking.prometheus_config, looking.prometheus_headers)
    return prometheus.series(looking.prometheus, past, service=service, path=path, login=login)
