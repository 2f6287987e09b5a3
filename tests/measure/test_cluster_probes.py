from __future__ import annotations

import pytest

from tests.checks.cluster import container, pod
from unslow.evidence.cluster import Event, Events, Handler
from unslow.measure.cluster_probes import accuses, is_coming, last_words


@pytest.mark.parametrize(
    ("words", "whom"),
    [
        ("http probe failed with statuscode: 404", "the probe"),
        ("http probe failed with statuscode: 503", "the application"),
        ("dial tcp 10.0.0.1:8000: connect: connection refused", "nobody listens"),
        ("context deadline exceeded (client.timeout exceeded while awaiting headers)", "slowness"),
        ('command "/check" timed out', "slowness"),
        ("cat: /tmp/healthy: no such file", "the application"),
        ("", ""),
    ],
)
def test_whom_a_failure_accuses(words: str, whom: str) -> None:
    assert accuses(words) == whom


def event(last_s: float, message: str, name: str = "a") -> Event:
    return Event(first_s=1.0, last_s=last_s, kind="Pod", name=name, reason="Unhealthy", message=message)


def test_the_last_words_are_those_of_the_pod_and_its_probe() -> None:
    events = Events(
        events=(
            event(5.0, "Readiness probe failed: first"),
            event(9.0, "Readiness probe failed: LAST"),
            event(11.0, "Liveness probe failed: other"),
            event(12.0, "Readiness probe failed: other", "b"),
        )
    )
    assert last_words(pod("a"), Handler(kind="readiness"), events) == "readiness probe failed: last"
    assert last_words(pod("a"), Handler(kind="readiness", message="Own"), events) == "own"
    assert last_words(pod("a"), Handler(kind="readiness"), None) == ""


@pytest.mark.parametrize(
    ("failures", "message", "coming"), [(0, "", True), (4, "connection refused", True), (4, "no", False)]
)
def test_a_pod_that_is_still_coming(failures: int, message: str, coming: bool) -> None:
    probe = Handler(kind="readiness", failures=failures, message=message)
    assert is_coming(pod("a", container(probes=(probe,))), None) is coming


def test_a_pod_that_crashes_is_not_coming() -> None:
    assert not is_coming(pod("a", container(state="CrashLoopBackOff")), None)
