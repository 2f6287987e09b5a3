"""Load on real servers: every due request is counted, from the moment it was due, whatever the server does."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise

import msgspec
import pytest

from tests.verify import servers
from unslow.errors import BadUsage, CannotLook
from unslow.verify.generator import poisson, uniform
from unslow.verify.load import loadtest, run
from unslow.verify.load_result import LoadResult, judge
from unslow.verify.plan import MOST_CONNECTIONS, MOST_PER_S, Plan, checked


def errors(result: LoadResult) -> dict[str, int]:
    return dict(result.errors)


@pytest.mark.parametrize(
    ("serve", "connections"),
    [(servers.keep_alive, "few"), (servers.chunked, "few"), (servers.close_delimited, "all")],
)
def test_every_way_an_answer_may_end(serve: servers.Callable[..., None], connections: str) -> None:
    with servers.serving(serve) as server:
        result = loadtest(server.url, 100, 0.5)
    assert (result.due, result.n, result.failed, result.unfinished) == (50, 50, 0, 0)
    assert result.statuses == ((200, 50),)
    assert result.connections_opened == 50 if connections == "all" else result.connections_opened < 50
    assert len(server.heads) == 50


def test_a_stall_is_seen_in_full_by_all_who_came_during_it() -> None:
    """One server, one request at a time, which stalls once; the truth follows from the due times alone."""
    rate, duration_s, stall_s = 100, 4.0, 1.2
    turn = threading.Lock()
    stall: list[float] = []
    arrivals: list[float] = []

    def serve(server: servers.Server, connection: socket.socket) -> None:
        while server.head(connection):
            arrivals.append(time.monotonic())
            with turn:
                if not stall and time.monotonic() - arrivals[0] > 1.0:
                    stall.extend([time.monotonic(), 0.0])
                    time.sleep(stall_s)
                    stall[1] = time.monotonic()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with servers.serving(serve) as server:
        result = run(Plan(url=server.url, rate_per_s=rate, duration_s=duration_s))
    due = [arrivals[0] + offset for offset in uniform(rate, duration_s)]
    waits = sorted(max(0.0, stall[1] - at) if stall[0] <= at else 0.0 for at in due)
    truth_s = waits[math.ceil(0.99 * len(waits)) - 1]
    assert result.n == rate * duration_s
    # A generator that waits for answers sends nothing during the stall and reports a few milliseconds.
    assert result.percentile_s(0.99) == pytest.approx(truth_s, rel=0.15)
    assert result.percentile_s(0.9) == pytest.approx(waits[math.ceil(0.9 * len(waits)) - 1], rel=0.25)


def test_time_outs_count_as_answers_that_took_all_of_it() -> None:
    with servers.serving(servers.silent) as server:
        result = loadtest(server.url, 30, 0.5, timeout_s=0.3)
    assert errors(result) == {"timeout": 15}
    assert result.n == 15
    assert result.percentile_s(0.5) == pytest.approx(0.3, rel=1e-3)
    assert result.verdict == "failed"


def test_a_server_that_closes_idle_connections_is_no_failure() -> None:
    with servers.serving(servers.closing_after_one) as server:
        result = loadtest(server.url, 20, 0.5)
    assert (result.n, result.failed, result.connections_opened) == (10, 0, 10)


def test_the_race_between_our_request_and_the_server_s_close_is_settled_silently() -> None:
    with servers.serving(servers.closing_on_the_second) as server:
        result = loadtest(server.url, 20, 0.5)
    assert (result.n, result.failed) == (10, 0)
    assert result.reconnects >= 1


def test_a_request_that_may_change_data_is_never_sent_twice() -> None:
    with servers.serving(servers.closing_on_the_second) as server:
        result = loadtest(server.url, 20, 0.5, method="POST")
    assert result.reconnects == 0
    assert errors(result)["closed"] >= 1
    assert len(server.heads) == result.due


@pytest.mark.parametrize(
    ("serve", "kind"),
    [(servers.cutting, "closed"), (servers.babbling, "bad answer"), (servers.failing, "status 503")],
)
def test_kinds_of_errors(serve: servers.Callable[..., None], kind: str) -> None:
    with servers.serving(serve) as server:
        result = loadtest(server.url, 20, 0.5)
    assert errors(result) == {kind: 10}
    assert result.verdict == "failed"


def test_what_is_broken_is_not_loaded_further() -> None:
    with servers.serving(servers.failing) as server:
        result = loadtest(server.url, 100, 20.0)
    assert "errors" in result.stopped
    assert result.due < 300


def test_never_more_connections_than_allowed_and_the_wait_for_one_counts() -> None:
    def slow(server: servers.Server, connection: socket.socket) -> None:
        while server.head(connection):
            time.sleep(0.1)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with servers.serving(slow) as server:
        result = loadtest(server.url, 40, 1.0, connections=2)
    assert result.connections_at_once == 2
    assert result.held_back > 10
    assert result.n == 40
    assert (result.percentile_s(0.9) or 0.0) > 0.5  # two at a time, 0.1 s each: 20 a second for 40 asked


def test_ipv6() -> None:
    with servers.serving(servers.keep_alive, socket.AF_INET6) as server:
        result = loadtest(server.url, 20, 0.5)
    assert (result.n, result.failed) == (10, 0)
    assert b"\r\nHost: [::1]:" in server.heads[0]


def test_its_traffic_is_marked_and_options_are_sent() -> None:
    with servers.serving(servers.keep_alive) as server:
        url = server.url.replace("//", "//user:secret@") + "a b?c=d"
        result = loadtest(url, 10, 0.2, headers={"X-Mine": "1", "accept": "text/html"})
    head = server.heads[0].decode()
    assert head.startswith("GET /a%20b?c=d HTTP/1.1\r\n")
    assert "User-Agent: unslow-loadtest/" in head
    assert "X-Load-Test: unslow" in head
    assert "X-Mine: 1" in head
    assert "Authorization: Basic dXNlcjpzZWNyZXQ=" in head
    assert head.lower().count("accept:") == 1
    assert "secret" not in result.url


def test_cancelling_gives_the_result_so_far() -> None:
    cancel = threading.Event()
    with servers.serving(servers.keep_alive) as server:
        plan = Plan(url=server.url, rate_per_s=50, duration_s=30)
        result = run(plan, progress=lambda state: cancel.set(), cancel=cancel)
    assert result.stopped == "cancelled"
    assert 40 <= result.n < 500
    assert result.verdict == "no verdict"


INTERRUPTED = """
import sys
from unslow.verify import load, report_load
print("ready", flush=True)
result = load.loadtest(sys.argv[1], 50, 60.0, progress=lambda text: print(text, file=sys.stderr, flush=True))
print(report_load.to_json(result))
"""


def _child(url: str, *, through: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", INTERRUPTED, url]
    if through:
        command = [sys.executable, "-c", through, *command]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_ctrl_c_gives_the_result_so_far() -> None:
    with servers.serving(servers.keep_alive) as server:
        child = _child(server.url)
        assert child.stderr is not None
        child.stderr.readline()  # the first second is over
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=20)
    document = json.loads(out.partition("\n")[2])
    assert document["stopped"] == "interrupted"
    assert document["n"] >= 40
    assert child.returncode == 0


def test_it_dies_with_its_parent() -> None:
    parent = "import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); p.wait()"
    with servers.serving(servers.keep_alive) as server:
        child = _child(server.url, through=parent)
        assert child.stdout is not None
        assert child.stderr is not None
        pid = int(child.stdout.readline())
        child.stderr.readline()
        child.kill()
        # The generator holds the other ends of the pipes: they close when it has ended.
        rest = child.stdout.read()
        child.communicate(timeout=20)
    assert "the process that started it is gone" in rest
    assert not os.path.exists(f"/proc/{pid}/fd/1")  # noqa: PTH110 - gone, or a zombie without files


@pytest.mark.parametrize(
    "change",
    [
        {"rate_per_s": MOST_PER_S * 1.01},
        {"rate_per_s": 0.0},
        {"rate_per_s": math.nan},
        {"duration_s": 1e9},
        {"timeout_s": 1e4},
        {"connections": MOST_CONNECTIONS + 1},
        {"body": b"x" * (2 << 20)},
        {"rate_per_s": 0.1, "duration_s": 1.0},
        {"url": "ftp://127.0.0.1/"},
        {"url": "http://127.0.0.1:99999/"},
        {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"X\r\nY": "b"}},
        {"method": "GET / HTTP/1.1\r\nX:"},
    ],
)
def test_limits_that_no_option_raises(change: dict[str, object]) -> None:
    plan = Plan(url="http://127.0.0.1:1/", rate_per_s=10, duration_s=10)
    with pytest.raises(BadUsage):
        checked(msgspec.structs.replace(plan, **change))


def test_nobody_listens() -> None:
    with servers.serving(servers.keep_alive) as server:
        url = server.url
    with pytest.raises(CannotLook, match="nobody answers"):
        loadtest(url, 10, 1.0)


def test_poisson_arrivals_come_at_the_rate_asked_for_and_repeat_with_the_seed() -> None:
    offsets = list(poisson(100.0, 60.0, random.Random(7).expovariate))
    assert len(offsets) == pytest.approx(6000, rel=0.05)
    assert offsets == sorted(offsets)
    assert offsets[-1] < 60.0
    gaps = [later - earlier for earlier, later in pairwise(offsets)]
    assert sum(gap > 0.01 for gap in gaps) / len(gaps) == pytest.approx(math.exp(-1), rel=0.1)
    assert offsets == list(poisson(100.0, 60.0, random.Random(7).expovariate))


def test_poisson_load() -> None:
    with servers.serving(servers.keep_alive) as server:
        result = loadtest(server.url, 100, 0.5, arrivals="poisson")
    assert result.n == result.due == len(list(poisson(100, 0.5, random.Random(1).expovariate)))


def good_result() -> LoadResult:
    with servers.serving(servers.keep_alive) as server:
        return loadtest(server.url, 200, 1.0)


def test_no_verdict_when_we_were_late_ourselves() -> None:
    result = good_result()
    replace = msgspec.structs.replace
    on_time = replace(
        result, achieved_per_s=200.0, lateness=replace(result.lateness, p99_s=0.0005), verdict="no verdict"
    )
    late = replace(on_time, lateness=replace(result.lateness, p99_s=0.5))
    assert judge(on_time, 1.0)[0] == "kept up"
    assert judge(late, 1.0)[0] == "no verdict"
    assert "late" in judge(late, 1.0)[1]
    assert judge(replace(on_time, achieved_per_s=150.0), 1.0)[0] == "no verdict"
    assert judge(on_time, 0.9)[0] == "fell behind"
    assert judge(replace(on_time, stopped="cancelled"), 1.0)[0] == "no verdict"
    assert judge(replace(on_time, errors=(("timeout", 100),)), 1.0)[0] == "failed"


def test_a_server_that_cannot_keep_up_is_told() -> None:
    turn = threading.Lock()

    def slow(server: servers.Server, connection: socket.socket) -> None:
        while server.head(connection):
            with turn:
                time.sleep(0.025)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with servers.serving(slow) as server:
        result = loadtest(server.url, 80, 2.0)
    assert result.n == 160
    assert result.verdict == "fell behind"
