from __future__ import annotations

from tests.checks.verbs import profile
from unslow.measure.holders import busiest_outside_requests, occupancy

ENTRY = "handle_request /venv/lib/site-packages/gunicorn/workers/sync.py"
READING = (
    "handle /venv/lib/site-packages/gunicorn/workers/sync.py",
    "read /venv/lib/site-packages/gunicorn/http/unreader.py",
)
CRUNCH = ("run /usr/lib/python3.11/threading.py", "crunch /srv/jobs.py")


def test_reading_a_slow_client_occupies_a_worker_before_the_request_begins() -> None:
    held = occupancy(profile((READING, "io", 3.0), ((ENTRY, "view /srv/app.py"), "run", 1.0)))
    assert held == {"client": 3.0, "cpu code": 1.0}


def test_a_thread_outside_requests_occupies_no_worker() -> None:
    assert occupancy(profile((CRUNCH, "run", 9.0))) == {}


def test_the_thread_that_computes_beside_the_requests_is_named() -> None:
    assert busiest_outside_requests(profile((CRUNCH, "run", 9.0))) == "crunch (/srv/jobs.py)"


def test_a_thread_that_computes_now_and_then_is_not() -> None:
    assert busiest_outside_requests(profile((CRUNCH, "run", 0.9))) == ""
    assert busiest_outside_requests(profile((CRUNCH, "io", 9.0))) == ""
    assert busiest_outside_requests(profile(((ENTRY, "view /srv/app.py"), "run", 9.0))) == ""
