"""The look from inside: here on this machine, as in a container, and on a real cluster."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kube.cluster import client, namespace, needs_cluster, pod_of, running
from unslow.collect import cluster_inside, cluster_inside_boot, cluster_inside_records
from unslow.collect.cluster_inside import Place, answered, message
from unslow.errors import Unavailable
from unslow.evidence import Evidence
from unslow.kube.execute import Result, execute

BOOT = Path(cluster_inside_boot.__file__)


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """A small server in a process of its own."""
    program = (
        "import http.server,socketserver,sys,time\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        " def do_GET(self):\n"
        "  time.sleep(0.02);self.send_response(200);self.end_headers();self.wfile.write(b'ok')\n"
        " def log_message(self,*a): pass\n"
        "s=http.server.ThreadingHTTPServer(('127.0.0.1',0),H)\n"
        "print(s.server_address[1],flush=True);s.serve_forever()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/x"
        process.kill()


def started(request: dict[str, object], seconds: float) -> subprocess.Popen[bytes]:
    body = message(request, seconds, with_sampler=False)
    boot = BOOT.read_bytes()
    command = [sys.executable, "-I", "-S", "-u", "-c", cluster_inside._LOADER, str(len(boot))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(boot + body)
    process.stdin.flush()
    return process


def finished(process: subprocess.Popen[bytes]) -> Result:
    """What came out, standard input open all the time: closing it is how the caller's death looks."""
    assert process.stdout is not None
    assert process.stderr is not None
    with ThreadPoolExecutor(2) as pool:
        output, said = pool.map(lambda stream: stream.read(), (process.stdout, process.stderr))
    with process:
        return Result(output, said, process.wait(30))


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def gone(pids: list[int], seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def request(url: str, budget_s: float = 5.0) -> dict[str, object]:
    return {"target": url, "budget_s": budget_s, "use_database": False, "use_profile": False}


def test_the_collectors_run_without_any_library_and_their_evidence_is_read_by_the_real_one(served: str) -> None:
    process = started(request(served), 60.0)
    result = finished(process)
    assert result.code == 0, result.stderr
    evidence = answered(result, Place("n", "p", "c", 1, "/"))
    assert evidence.requests is not None
    assert evidence.server is not None
    assert min(evidence.requests.total_s) > 0.015
    assert b"\x1emeasuring response times" in result.stderr


def test_nothing_runs_on_when_nobody_listens_any_more(served: str) -> None:
    process = started(request(served, 60.0), 120.0)
    until = time.monotonic() + 20
    while not children(process.pid) and time.monotonic() < until:
        time.sleep(0.05)
    inside = [process.pid, *children(process.pid)]
    assert len(inside) > 1
    assert process.stdin is not None
    process.stdin.close()  # as when the exec is cut off
    assert finished(process).code == 6
    assert gone(inside)


def test_nothing_runs_on_when_its_first_process_is_killed(served: str) -> None:
    process = started(request(served, 60.0), 120.0)
    until = time.monotonic() + 20
    while not children(process.pid) and time.monotonic() < until:
        time.sleep(0.05)
    inside = children(process.pid)
    assert inside
    os.kill(process.pid, signal.SIGKILL)
    finished(process)
    assert gone(inside)


def test_it_ends_when_its_time_is_over(served: str) -> None:
    assert finished(started(request(served, 60.0), 2.0)).code == 6


def test_nothing_is_left_in_temporary_folders(served: str) -> None:
    def ours() -> set[Path]:
        return {path for base in cluster_inside_boot.FOLDERS for path in Path(base).glob("unslow-*")}

    before = ours()
    finished(started(request(served), 60.0))
    assert ours() <= before


def test_a_target_that_nobody_serves_is_told() -> None:
    process = started(request("http://127.0.0.1:9/x"), 30.0)
    result = finished(process)
    with pytest.raises(Unavailable, match="nothing listens"):
        answered(result, Place("n", "p", "c", 1, "/"))


@pytest.mark.parametrize(
    ("result", "missing"),
    [
        (Result(b"", b"unslow: Python 3.11 or newer in the image (it has 3.8.1)\n", 5), "Python 3.11 or newer"),
        (Result(b"", b"", None, timed_out=True), "in time"),
        (Result(b'{"target"', b"", 0), "whole answer"),
        (Result(b"", b"\x1eprogress\nunslow: KeyError: 1\n", 1), "KeyError"),
    ],
)
def test_what_went_wrong_inside_is_a_gap_with_a_remedy(result: Result, missing: str) -> None:
    with pytest.raises(Unavailable, match=missing) as caught:
        answered(result, Place("n", "pod-1", "c", 1, "/"))
    assert caught.value.remedy


def test_progress_arrives_in_whole_lines() -> None:
    heard: list[str] = []
    follow = cluster_inside.followed(heard.append)
    for piece in (b"\x1eone\nnoise\n\x1et", b"wo\n"):
        follow(piece)
    assert heard == ["one", "two"]


def test_records_without_the_library_behave_as_with_it() -> None:
    records = cluster_inside_records

    class Mine(records.Struct, frozen=True):
        a: int
        b: float | None = None
        many: tuple[int, ...] = ()
        named: str = records.field(default="x", name="n")

    made = Mine(1, many=(2,))
    assert (made.a, made.b, made.many, made.named) == (1, None, (2,), "x")
    assert made == Mine(1, None, (2,))
    assert hash(made) == hash(Mine(1, None, (2,)))
    assert records._replace(made, a=5).a == 5
    assert records.to_builtins([made]) == [{"a": 1, "b": None, "many": [2], "named": "x"}]
    assert records._decode(b"[1, 2]", type=list[int]) == [1, 2]
    with pytest.raises(records.ValidationError):
        records.convert("text", int)
    with pytest.raises(records.DecodeError):
        records._decode(b"{")
    with pytest.raises(TypeError):
        Mine()


@needs_cluster
def test_a_pod_of_a_real_cluster() -> None:
    program = (
        "import http.server,time\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        " def do_GET(self):\n"
        "  time.sleep(0.05);self.send_response(200);self.end_headers();self.wfile.write(b'ok')\n"
        " def log_message(self,*a): pass\n"
        "http.server.ThreadingHTTPServer(('',8000),H).serve_forever()"
    )
    with client() as api, namespace(api) as where:
        limits = {"limits": {"cpu": "500m", "memory": "128Mi"}}
        secure = {"readOnlyRootFilesystem": True, "runAsUser": 10001, "capabilities": {"drop": ["ALL"]}}
        body = pod_of(["python3", "-c", program], resources=limits, securityContext=secure)
        running(api, where, "web", body)
        place = Place(where, "web", "main", 8000, "/x", "amd64")
        heard: list[str] = []
        evidence: Evidence = cluster_inside.look(
            api, place, heard.append, budget_s=10.0, within_s=60.0, use_profile=True, headers={}
        )
        listed = execute(
            api, where, "web", ["python3", "-c", "import os;print(os.listdir('/proc'), os.listdir('/dev/shm'))"]
        )
    assert evidence.requests is not None
    assert 0.045 < sum(evidence.requests.total_s) / len(evidence.requests.due_s) < 1.0
    assert evidence.cpu is not None
    assert evidence.cpu.limit_cores == 0.5
    assert evidence.profile is not None
    assert evidence.profile.readings > 0
    assert any(text.startswith("measuring") for text in heard)
    assert b"unslow" not in listed.stdout
    numbers = re.findall(rb"'(\d+)'", listed.stdout)
    assert len(numbers) == 2  # the server and the process that lists
