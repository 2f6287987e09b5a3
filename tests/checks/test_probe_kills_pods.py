from __future__ import annotations

from tests.checks.cluster import WINDOW, container, pod, pods
from tests.checks.verbs import account, finds, is_clear, line
from unslow.checks import all_checks
from unslow.evidence.cluster import Event, Events, Handler, Pods, Termination
from unslow.finding import Skipped

QUEUE = account(line("queue", "waiting for a free worker", 60.0))
MISSING = "HTTP probe failed with statuscode: 404"
KILLED = Termination(reason="Error", exit_code=137)


def restarted(failures: int | None = 6, **changes: object) -> Pods:
    probe = Handler(kind="liveness", action="http /healthz:8000", failures=failures)
    normal: dict[str, object] = {"probes": (probe,), "restarts": 4, "last_termination": KILLED}
    return pods(pod("a", container(**(normal | changes))), pod("b"))


def unready(failures: int | None = 6, **changes: object) -> Pods:
    probe = Handler(kind="readiness", action="http /ready:8000", failures=failures, message=MISSING)
    return pods(pod("a", container(**({"probes": (probe,), "ready": False} | changes)), ready=False), pod("b"))


def unhealthy(count: int, name: str = "a", status: int = 404) -> Events:
    message = f"Readiness probe failed: HTTP probe failed with statuscode: {status}"
    event = Event(
        first_s=1.0, last_s=WINDOW.end_s, count=count, kind="Pod", name=name, reason="Unhealthy", message=message
    )
    return Events(events=(event,))


def test_a_liveness_probe_restarts_the_pods() -> None:
    found = finds("probe_kills_pods", 60.0, pods=restarted(), window=WINDOW, account=QUEUE)
    assert (
        "1 of 2 pods; a: 6 failures of http /healthz:8000 (timeout 1 s, every 10 s, 3 in a row), 4 restarts"
        in found.because
    )


def test_a_readiness_probe_hides_a_running_pod() -> None:
    found = finds("probe_kills_pods", 60.0, pods=unready(), window=WINDOW, account=QUEUE)
    assert "takes running pods out" in found.title


def test_failures_are_counted_from_events_where_nobody_else_counts() -> None:
    uncounted = unready(probes=(Handler(kind="readiness"),))
    finds("probe_kills_pods", 60.0, pods=uncounted, window=WINDOW, events=unhealthy(5), account=QUEUE)
    is_clear("probe_kills_pods", pods=uncounted, window=WINDOW, events=unhealthy(5, "other"), account=QUEUE)


def test_an_application_that_says_itself_that_it_is_not_ready() -> None:
    uncounted = unready(probes=(Handler(kind="readiness"),))
    is_clear("probe_kills_pods", pods=uncounted, window=WINDOW, events=unhealthy(5, status=503), account=QUEUE)
    own = Handler(kind="readiness", action="exec", failures=9, message="Readiness probe failed: ")
    is_clear("probe_kills_pods", pods=unready(probes=(own,)), window=WINDOW, account=QUEUE)


def test_a_process_that_does_not_listen_yet() -> None:
    refused = Handler(kind="readiness", failures=9, message="dial tcp 10.0.0.1:8000: connect: connection refused")
    is_clear("probe_kills_pods", pods=unready(probes=(refused,), started_s=WINDOW.end_s - 60.0), window=WINDOW)
    finds("probe_kills_pods", pods=unready(probes=(refused,), started_s=WINDOW.end_s - 600.0), window=WINDOW)


def test_a_probe_that_runs_out_of_time_may_be_a_consequence() -> None:
    late = Handler(kind="readiness", failures=9, message="context deadline exceeded (Client.Timeout exceeded)")
    wrong = Handler(kind="readiness", failures=9, message="HTTP probe failed with statuscode: 404")
    for probe, keeps in ((late, False), (wrong, True)):
        found = finds("probe_kills_pods", pods=unready(probes=(probe,)), window=WINDOW, account=QUEUE)
        assert found.keeps_waiting is keeps


def test_two_failures() -> None:
    is_clear("probe_kills_pods", pods=unready(2), window=WINDOW, account=QUEUE)


def test_a_container_that_ran_out_of_memory() -> None:
    oom = Termination(reason="OOMKilled", exit_code=137)
    is_clear("probe_kills_pods", pods=restarted(last_termination=oom), window=WINDOW, account=QUEUE)


def test_a_container_that_crashed_by_itself() -> None:
    crash = Termination(reason="Error", exit_code=1)
    is_clear("probe_kills_pods", pods=restarted(last_termination=crash), window=WINDOW, account=QUEUE)


def test_nobody_counted_failures() -> None:
    assert isinstance(all_checks()["probe_kills_pods"](pods=unready(None), window=WINDOW), Skipped)


def test_a_probe_that_waits_in_the_pods_own_queue_is_no_cause_of_it() -> None:
    late = Handler(kind="readiness", action="http /ready:8000", failures=6, message="context deadline exceeded")
    alone = pods(pod("a", container(probes=(late,), ready=False), ready=False))
    found = finds("probe_kills_pods", 0.0, pods=alone, window=WINDOW, account=QUEUE)
    assert found.confidence < 0.6
    assert "the same queue" in found.because
    half = pods(pod("a", container(probes=(late,), ready=False), ready=False), pod("b"))
    finds("probe_kills_pods", 60.0, pods=half, window=WINDOW, account=QUEUE)
