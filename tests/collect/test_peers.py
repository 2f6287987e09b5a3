from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collect.live import RELAY, Callers, accepts, free_port, gunicorn, nginx, running
from unslow.collect.discovery import find
from unslow.collect.peers import PeerReader
from unslow.evidence.sockets import Peer
from unslow.evidence.window import Window

CALLING = """
import os, socket, time
import requests
from flask import Flask

app = Flask(__name__)
kept_open = requests.Session()
behind = "http://127.0.0.1:" + os.environ["BEHIND"]


@app.get("/call/<int:ms>")
def call(ms):
    return requests.get(f"{behind}/sleep/{ms}").text


@app.get("/kept/<int:ms>")
def kept(ms):
    return kept_open.get(f"{behind}/sleep/{ms}").text


@app.get("/impatient/<int:ms>")
def impatient(ms):
    try:
        return requests.get(f"{behind}/sleep/{ms}", timeout=0.1).text
    except requests.Timeout:
        return "late"


@app.get("/lookup/<int:ms>")
def lookup(ms):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as question:
        question.connect(("127.0.0.1", 53))
        time.sleep(ms / 1000)
    return "found"
"""
RATE = 20


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[int]:
    folder = tmp_path / "behind"
    folder.mkdir()
    with gunicorn(folder, "-w", "2", "--threads", "4", module="stock") as port:
        yield port


def peers(folder: Path, behind: int, path: str, rate_per_s: float = RATE) -> tuple[float, tuple[Peer, ...]]:
    """(requests a second, peers over a window) of an application that calls `behind`."""
    options = ("-w", "2", "--threads", "8")
    with gunicorn(folder, *options, app=CALLING, module="calling", environment={"BEHIND": str(behind)}) as port:
        reader = PeerReader(find(f"http://127.0.0.1:{port}{path}"))
        with Callers(port, path, rate_per_s, threads=8) as callers:
            _read(reader, 2.0)
            window = _read(reader, 4.0)
            found = reader.result(window)
        reader.close()
    return callers.rate_per_s(window.start_s, window.end_s), found


def _read(reader: PeerReader, seconds: float) -> Window:
    start_s = time.time()
    while time.time() < start_s + seconds:
        reader.sample()
        time.sleep(0.035)
    return Window(start_s=start_s, end_s=time.time())


@pytest.mark.lab
def test_a_server_that_is_slow_is_busy(tmp_path: Path, behind: int) -> None:
    rate_per_s, (peer,) = peers(tmp_path, behind, "/call/60")
    assert (peer.address, peer.kind, peer.name) == (f"127.0.0.1:{behind}", "http", "stock")
    assert peer.opened_per_s == pytest.approx(rate_per_s, rel=0.2)
    assert peer.busy_mean == pytest.approx(rate_per_s * 0.06, rel=0.3)
    assert peer.asked_mean is not None
    assert 0.3 < peer.asked_mean / (rate_per_s * 0.06) < 1.7
    assert peer.hops == ()
    assert peer.aborted_per_s == 0


@pytest.mark.lab
def test_a_slow_way_to_an_idle_server_is_seen_through_the_relay(tmp_path: Path, behind: int) -> None:
    relayed = free_port()
    (tmp_path / "relay.py").write_text(RELAY)
    command = [sys.executable, "relay.py", str(relayed), str(behind), "0.05"]
    with running(command, tmp_path, lambda: accepts(relayed)):
        rate_per_s, (peer,) = peers(tmp_path, relayed, "/call/5")
    assert (peer.name, peer.hops) == ("stock", (Path(sys.executable).name,))
    # The caller waits 105 ms; the server works 5 ms of them.
    assert peer.open_mean > rate_per_s * 0.08
    assert peer.asked_mean is not None
    assert peer.asked_mean > rate_per_s * 0.08, "the answer is awaited on the way, too"
    assert peer.busy_mean is not None
    assert peer.busy_mean < rate_per_s * 0.03


@pytest.mark.lab
def test_nginx_between_is_a_hop(tmp_path: Path, behind: int) -> None:
    folder = tmp_path / "nginx"
    folder.mkdir()
    with nginx(folder, f"127.0.0.1:{behind}") as front:
        _, (peer,) = peers(tmp_path, front, "/call/20")
    assert (peer.name, peer.hops) == ("stock", ("nginx",))
    assert peer.busy_mean is not None


@pytest.mark.lab
def test_a_kept_connection_is_counted_by_its_requests(tmp_path: Path, behind: int) -> None:
    rate_per_s, (peer,) = peers(tmp_path, behind, "/kept/10")
    assert peer.requests_per_s == pytest.approx(rate_per_s, rel=0.1)
    assert peer.opened_per_s is not None
    assert peer.opened_per_s < 0.1 * rate_per_s


@pytest.mark.lab
def test_connections_closed_before_the_answer_are_aborted(tmp_path: Path, behind: int) -> None:
    rate_per_s, (peer,) = peers(tmp_path, behind, "/impatient/500", rate_per_s=8)
    assert peer.aborted_per_s == pytest.approx(rate_per_s, rel=0.2)


@pytest.mark.lab
def test_lookups_in_flight_are_a_dns_peer(tmp_path: Path, behind: int) -> None:
    rate_per_s, found = peers(tmp_path, behind, "/lookup/60")
    peer = next(each for each in found if each.kind == "dns")
    assert peer.address == "127.0.0.1:53"
    assert peer.open_mean == pytest.approx(rate_per_s * 0.06, rel=0.3)
