from __future__ import annotations

import msgspec
import pytest

from tests.checks.verbs import cpu, server, sockets
from tests.evidences import evidence
from unslow.evidence.profile import Frame, Profile, Sample
from unslow.evidence.queries import Queries, Wait
from unslow.evidence.requests import Requests
from unslow.evidence.sockets import Peer
from unslow.measure.account import account

GUNICORN = "/env/lib/python3.11/site-packages/gunicorn/workers/base_async.py"
STOCK = Peer(address="127.0.0.1:9000", kind="http", name="stock", open_mean=2.0, busy_mean=0.8, waiting_mean=0.2)
COMPUTING = Profile(
    frames=(
        Frame(function="handle_request", file=GUNICORN, line=1),
        Frame(function="view", file="/app/app.py", line=3),
    ),
    samples=(Sample(stack=(0, 1), state="run", seconds=1.0, route=""),),
    seconds=10.0,
    rate_hz=100.0,
    readings=1000,
    lost_ratio=0.0,
    states_known=True,
)
REQUESTS = Requests(
    due_s=tuple(float(number) for number in range(20)),
    wait_s=(0.0,) * 20,
    dns_s=(0.0,) * 20,
    connect_s=(0.0,) * 20,
    tls_s=(0.0,) * 20,
    first_byte_s=tuple(0.1 + 0.001 * (number % 3) for number in range(20)),
    body_s=(0.0,) * 20,
    status=(200,) * 20,
    timeout_s=30.0,
)
CALLING = msgspec.structs.replace(sockets(), requests_per_s=10.0, peers=(STOCK,))


def ms_of(kind: str, **sections: object) -> float:
    found = account(evidence(requests=REQUESTS, sockets=CALLING, **sections))
    assert found is not None
    return sum(line.now_s for line in found.of_kind(kind)) * 1e3


def test_greenlets_compute_by_the_clock_and_wait_for_whom_they_call() -> None:
    gevent = server(worker_class="gevent", workers=1, threads=1000)
    here = {"server": gevent, "profile": COMPUTING}
    assert ms_of("cpu code", **here) == pytest.approx(10.0), "1 s of computing in 10 s, 10 requests/s"
    assert ms_of("downstream", **here) == pytest.approx(100.0), "one request at a time is with the called service"


def test_threads_that_wait_have_a_stack_so_their_shares_are_of_the_whole_time() -> None:
    threads = server(worker_class="gthread", workers=1, threads=8)
    assert ms_of("cpu code", server=threads, profile=COMPUTING) == pytest.approx(101.0, abs=1.0)


def test_without_a_profile_the_kernel_and_the_database_still_say_something() -> None:
    waits = (
        Wait(wait_type="Lock", wait_event="tuple", state="active", query_id="1", text="UPDATE", mean=0.5),
        Wait(wait_type="IO", wait_event="DataFileRead", state="active", query_id="2", text="SELECT", mean=0.1),
    )
    queries = Queries(address="db:5432", version="15", seconds=10.0, waits=waits, wait_readings=100)
    here = {"cpu": cpu(seconds=10.0, request_run_s=2.0, request_delay_s=0.5), "queries": queries}
    assert ms_of("cpu code", **here) == pytest.approx(20.0)
    assert ms_of("cpu contended", **here) == pytest.approx(5.0)
    assert ms_of("db lock wait", **here) == pytest.approx(50.0)
    assert ms_of("db query", **here) == pytest.approx(10.0)


def test_without_a_request_rate_nothing_is_guessed() -> None:
    silent = msgspec.structs.replace(CALLING, requests_per_s=None)
    found = account(evidence(requests=REQUESTS, sockets=silent, cpu=cpu()))
    assert found is not None
    assert not found.of_kind("cpu code", "downstream")
