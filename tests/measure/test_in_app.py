from __future__ import annotations

import msgspec
import pytest

from tests.checks.verbs import cpu, profile, queries, sockets
from tests.evidences import evidence
from unslow.evidence.profile import Profile
from unslow.measure.in_app import delay_ratio, in_app_parts, line_shares
from unslow.measure.quantities import Estimate

IN_VIEW = (
    "handle_request /venv/lib/site-packages/gunicorn/workers/gthread.py",
    "wsgi_app /venv/lib/site-packages/flask/app.py",
    "view /srv/app.py",
)
IN_REDIS = (*IN_VIEW, "get /venv/lib/site-packages/redis/commands/core.py")
NOW = Estimate(0.100, 0.002, 100)


def shares(recorded: Profile, **sections: object) -> dict[str, float]:
    found = line_shares(evidence(profile=recorded, **sections))
    return {key.kind: share.ratio for key, share in found.items()}


def delayed(recorded: Profile, run_s: float, delay_s: float) -> Profile:
    return msgspec.structs.replace(recorded, run_s=run_s, delay_s=delay_s)


def test_the_interpreters_lock_is_taken_out_of_the_stack_it_smears_over() -> None:
    assert shares(profile((IN_REDIS, "gil", 3.0), (IN_REDIS, "io", 1.0))) == {"gil": 0.75, "cache": 0.25}


def test_garbage_collection_is_taken_out_of_the_code_it_interrupts() -> None:
    assert shares(profile((IN_VIEW, "gc", 1.0), (IN_VIEW, "run", 1.0))) == {"memory": 0.5, "cpu code": 0.5}


def test_waiting_for_a_core_is_a_share_of_the_runnable_time_only() -> None:
    recorded = delayed(profile((IN_VIEW, "run", 2.0), (IN_REDIS, "io", 2.0)), run_s=3.0, delay_s=1.0)
    assert delay_ratio(recorded) == 0.25
    assert shares(recorded) == {"cpu contended": 0.125, "cpu code": 0.375, "cache": 0.5}


def test_with_throttled_periods_it_is_called_throttling() -> None:
    recorded = delayed(profile((IN_VIEW, "run", 2.0)), run_s=1.0, delay_s=1.0)
    throttled = cpu(limit_cores=0.5, periods=100, throttled_periods=50)
    assert shares(recorded, cpu=throttled) == {"cpu throttled": 0.5, "cpu code": 0.5}


def test_short_stops_explain_no_more_than_all_threads_waiting_for_them() -> None:
    recorded = delayed(profile((IN_VIEW, "run", 10.0)), run_s=5.0, delay_s=5.0)
    # 8 threads that wait 0.25 s each are 2 of the 5 s; for the other 3 s they waited for a core.
    brief = cpu(
        limit_cores=0.5,
        periods=100,
        throttled_periods=10,
        throttled_s=0.25,
        request_threads=8,
        request_delay_s=5.0,
    )
    assert shares(recorded, cpu=brief) == {"cpu throttled": 0.2, "cpu contended": 0.3, "cpu code": 0.5}


def test_code_that_waits_for_a_socket_is_a_c_driver_when_there_is_a_database() -> None:
    recorded = profile((IN_VIEW, "io", 1.0))
    assert shares(recorded, queries=queries()) == {"db query": 1.0}
    assert shares(recorded, sockets=sockets()) == {"cpu code": 1.0}


def test_parts_sum_to_the_time_in_the_application() -> None:
    recorded = profile((IN_REDIS, "io", 3.0), (IN_VIEW, "run", 1.0), (IN_VIEW, "gil", 0.5))
    parts = in_app_parts(evidence(profile=recorded), NOW)
    assert sum(part.seconds for part in parts) == pytest.approx(NOW.mean_s)
    assert all(part.se_s > 0 for part in parts)


def test_no_profile_no_parts() -> None:
    assert in_app_parts(evidence(), NOW) == ()
    assert line_shares(evidence()) == {}


def test_a_profile_without_requests_has_no_shares() -> None:
    assert line_shares(evidence(profile=profile((("run threading.py",), "run", 1.0)))) == {}


def test_a_profile_that_read_nothing_is_no_profile() -> None:
    seen = {"cpu": cpu(seconds=10.0, request_run_s=1.0, request_delay_s=4.0), "sockets": sockets()}
    empty = in_app_parts(evidence(profile=profile(), **seen), Estimate(0.1, 0.001, 100))
    assert empty == in_app_parts(evidence(**seen), Estimate(0.1, 0.001, 100))
    assert empty
