from __future__ import annotations

from tests.checks.verbs import finds, is_clear, requests, server
from unslow.evidence.requests import RouteTimer, Timers


def timers(count: float = 200.0, resets: int = 0) -> Timers:
    return Timers(
        url="http://127.0.0.1/metrics",
        metric="latency_seconds",
        routes=(RouteTimer(route="/x", count=count, sum_s=1.0),),
        scrapes=6,
        resets=resets,
    )


def test_each_worker_counts_for_itself() -> None:
    found = finds("metrics_misleading", timers=timers(resets=3), requests=requests(20.0), server=server())
    assert "went backwards 3 times" in found.because


def test_one_fall_may_be_a_restart() -> None:
    is_clear("metrics_misleading", timers=timers(resets=1), requests=requests(20.0), server=server())


def test_nothing_completes_while_callers_wait() -> None:
    finds("metrics_misleading", timers=timers(count=0), requests=requests(30_000.0, status=0), server=server())


def test_a_mean_that_hides_the_tail() -> None:
    finds("metrics_misleading", timers=timers(), requests=requests(*[20.0] * 98, 5000.0, 5000.0), server=server())


def test_a_slow_service_with_honest_metrics() -> None:
    is_clear("metrics_misleading", timers=timers(), requests=requests(*[900.0] * 100), server=server())
