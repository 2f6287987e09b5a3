from __future__ import annotations

import msgspec
import pytest

from tests.checks.verbs import sockets
from tests.evidences import evidence
from unslow.evidence.requests import RouteTimer, Timers
from unslow.measure.rate import request_rate_per_s

PAGE = Timers(
    url="u",
    metric="m",
    routes=(RouteTimer(route="/a", count=120, sum_s=1.0), RouteTimer(route="/b", count=30, sum_s=1.0)),
)


def test_the_application_counts_all_routes() -> None:
    assert request_rate_per_s(evidence(timers=PAGE, sockets=sockets())) == pytest.approx(15.0)


def test_counters_that_fall_give_way_to_the_kernel() -> None:
    falling = msgspec.structs.replace(PAGE, resets=2)
    assert request_rate_per_s(evidence(timers=falling, sockets=sockets())) == 20.0


def test_nothing_known() -> None:
    assert request_rate_per_s(evidence()) is None
    assert request_rate_per_s(evidence(sockets=msgspec.structs.replace(sockets(), requests_per_s=None))) is None
