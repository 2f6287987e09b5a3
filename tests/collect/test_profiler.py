"""A profile of a real server agrees with what the application itself measured."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.collect.live import gunicorn
from unslow.collect import processes
from unslow.collect.profiler import record
from unslow.collect.threads import ThreadReader
from unslow.errors import Unavailable
from unslow.evidence.profile import Profile
from unslow.measure.stacks import breakdown, request_seconds

ANSWERING_S = 0.030
COMPUTING_S = 0.020
SECONDS = 8.0

APP = """
import os, threading, time, urllib.request
from flask import Flask, g, request

app = Flask(__name__)
lock = threading.Lock()
spent = {}


def compute(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def forever():
    while True:
        compute(1.0)


if os.environ.get("BACKGROUND"):
    threading.Thread(target=forever, daemon=True).start()


class Timed:
    def __init__(self, name):
        self.name = name

    def __enter__(self):
        self.began = time.perf_counter()

    def __exit__(self, *_):
        spent[self.name] = spent.get(self.name, 0.0) + time.perf_counter() - self.began


@app.before_request
def arrive():
    g.began = time.perf_counter()


@app.after_request
def leave(answer):
    spent[request.path] = spent.get(request.path, 0.0) + time.perf_counter() - g.began
    return answer


@app.get("/quote")
def quote():
    with Timed("call"):
        urllib.request.urlopen(os.environ["PRICES"]).read()
    with Timed("compute"):
        compute(0.020)
    return "quoted"


@app.get("/stock")
def stock():
    with lock:
        hold()
    return "in stock"


def hold():
    time.sleep(0.015)


@app.get("/spent")
def report():
    return {"pid": os.getpid(), "spent": spent}
"""

PRICES = """
import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Prices(BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.030)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"42")

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Prices)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def prices() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", PRICES], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        finally:
            process.kill()


def get(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


class Paced:
    """Requests at even intervals, each from its own thread; remembers when each was in flight."""

    def __init__(self, port: int, path: str, rate_per_s: float) -> None:
        self._port, self._path, self._interval_s = port, path, 1 / rate_per_s
        self._stop = threading.Event()
        self._senders: list[threading.Thread] = []
        self._pacer = threading.Thread(target=self._pace)
        self.in_flight: list[tuple[float, float]] = []

    def __enter__(self) -> Paced:
        self._pacer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pacer.join()
        for sender in self._senders:
            sender.join()

    def _pace(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += self._interval_s
            self._senders.append(threading.Thread(target=self._send))
            self._senders[-1].start()

    def _send(self) -> None:
        began_s = time.time()
        get(self._port, self._path)
        self.in_flight.append((began_s, time.time()))


def workers_in(folder: Path) -> list[int]:
    """Processes that run in the folder and were started by another such one: Gunicorn's workers."""
    running = {pid for pid in processes.pids() if _directory(pid) == str(folder)}
    parents = {pid: stat.parent for pid in running if (stat := processes.stat(pid))}
    return sorted(pid for pid, parent in parents.items() if parent in running)


def spent(port: int, pids: list[int]) -> dict[str, float]:
    """The application's own timers, all workers added up; the kernel chooses who answers, so ask on."""
    by_worker: dict[int, dict[str, float]] = {}
    deadline = time.monotonic() + 30.0
    while by_worker.keys() != set(pids):
        assert time.monotonic() < deadline, f"only {sorted(by_worker)} of {pids} answered"
        answer = json.loads(get(port, "/spent"))
        by_worker[answer["pid"]] = answer["spent"]
    total: dict[str, float] = defaultdict(float)
    for timers in by_worker.values():
        for name, seconds in timers.items():
            total[name] += seconds
    return total


def _directory(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


class Compared:
    """A profile beside the differences of the application's timers over the same time."""

    def __init__(self, profile: Profile, truth: dict[str, float]) -> None:
        self.profile = profile
        self.truth = truth

    def seconds(self, *kinds: str) -> float:
        places = breakdown(self.profile).items()
        return sum(sum(states.values()) for (kind, _), states in places if kind in kinds)

    def of_route(self, view: str, state: str = "") -> float:
        return sum(
            sample.seconds
            for sample in self.profile.samples
            if sample.route.startswith(f"{view} ") and (not state or sample.state == state)
        )


def profiled(folder: Path, *options: str, environment: dict[str, str] | None = None) -> Compared:
    with ExitStack() as running:
        upstream = running.enter_context(prices())
        port = running.enter_context(
            gunicorn(folder, *options, app=APP, environment={**(environment or {}), "PRICES": upstream})
        )
        pids = workers_in(folder)
        ours = running.enter_context(Paced(port, "/quote", 4.0))
        running.enter_context(Paced(port, "/quote", 7.0))
        running.enter_context(Paced(port, "/stock", 12.0))
        time.sleep(0.5)
        threads = ThreadReader(pids)
        running.callback(threads.close)
        before, began = spent(port, pids), time.monotonic()
        profile = record(pids, SECONDS, lambda: ours.in_flight, threads)
        lasted_s = time.monotonic() - began
        after = spent(port, pids)
        share = profile.seconds / lasted_s
        return Compared(profile, {name: (after[name] - before.get(name, 0.0)) * share for name in after})


@pytest.mark.lab
@pytest.mark.parametrize("options", [("-w", "2", "--threads", "4"), ("-w", "2")], ids=["gthread", "sync"])
def test_profile_agrees_with_the_application_s_timers(tmp_path: Path, options: tuple[str, ...]) -> None:
    found = profiled(tmp_path, *options)
    profile = found.profile
    assert profile.route.startswith("quote (")
    assert profile.states_known
    assert profile.requests == "sampled"
    assert profile.readings > 0.7 * 50 * profile.seconds
    assert profile.lost_ratio < 0.1
    # About 90 requests of 50 ms, 220 readings: 7 % of sampling error, two of these is usual.
    assert request_seconds(profile) == pytest.approx(found.truth["/quote"], rel=0.25)
    assert found.seconds("http", "dns") == pytest.approx(found.truth["call"], rel=0.25)
    assert found.seconds("code") == pytest.approx(found.truth["compute"], rel=0.25)
    assert found.of_route("stock") == pytest.approx(found.truth["/stock"], rel=0.3)
    assert found.of_route("stock", "sleep") > 0.5 * found.of_route("stock")
    assert 0 < sum(sample.ours for sample in profile.samples) < 0.7 * request_seconds(profile)
    assert profile.run_s is not None
    assert profile.run_s > 0.5 * found.truth["compute"]


@pytest.mark.lab
def test_busy_background_thread_shows_as_waiting_for_the_interpreter(tmp_path: Path) -> None:
    found = profiled(tmp_path, "-w", "1", "--threads", "4", environment={"BACKGROUND": "1"})
    waiting = found.of_route("quote", "gil")
    assert waiting > 0.25 * found.of_route("quote")
    outside = [sample for sample in found.profile.samples if not sample.route and sample.state == "run"]
    leaf = found.profile.frames[max(outside, key=lambda sample: sample.seconds).stack[-1]]
    assert leaf.function == "compute"


@pytest.mark.lab
def test_cancelled_recording_ends_early_and_leaves_no_process(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-w", "1", "--threads", "2") as port:
        get(port, "/")
        pids = workers_in(tmp_path)
        cancel = threading.Event()
        threading.Timer(1.0, cancel.set).start()
        profile = record(pids, 60.0, list, None, cancel=cancel)
        assert profile.seconds < 30
        assert not profile.states_known
        children = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children").read_text().split()
        assert not [pid for pid in children if "py-spy" in " ".join(processes.command_line(int(pid)))]


def test_process_that_is_no_interpreter_is_unavailable() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            with pytest.raises(Unavailable):
                record([process.pid], 1.0, list, None)
        finally:
            process.kill()


def test_missing_py_spy_is_unavailable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="py-spy"):
        record([os.getpid()], 1.0, list, None)


def test_nothing_to_profile_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        record([], 1.0, list, None)
