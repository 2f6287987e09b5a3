"""The timed probe against real sockets, and what is made of its lines."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from unslow.runbook import inside
from unslow.runbook.connectivity import Timed, lines, told

SCRIPT = Path(inside.__file__).with_name("timed.py")


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def probe(*urls: str) -> list[Timed]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", SCRIPT, "2", *urls], capture_output=True, text=True, check=True, timeout=60
    )
    return lines(done.stdout)


def test_every_stage_is_timed(port: int) -> None:
    found = probe(f"http://127.0.0.1:{port}/a?b=c", f"tcp://127.0.0.1:{port}/")
    assert [one.status for one in found] == [204, 204, None, None]
    for one in found:
        assert one.dns_ms is not None
        assert one.tcp_ms is not None
        assert not one.failed
    assert all(one.first_byte_ms is not None for one in found[:2])


def test_the_stage_that_fails_is_named() -> None:
    closed = probe("http://127.0.0.1:9/")
    assert {one.failed for one in closed} == {"tcp"}
    unknown = probe("http://no.such.name.invalid:80/")
    assert {one.failed for one in unknown} == {"dns"}


def test_lines_of_others_are_left_out() -> None:
    assert lines('warning: x\n{"url": "tcp://a:1/", "dns_ms": 1.0}\n{"url": 3}\n') == [
        Timed(url="tcp://a:1/", dns_ms=1.0)
    ]


def test_a_slow_lookup_in_one_of_the_tries_is_told() -> None:
    tries = [
        Timed(url="http://a:1/", dns_ms=ms, tcp_ms=0.2, first_byte_ms=1.0, status=200) for ms in (1.0, 5003.0, 1.2)
    ]
    outcome = told(tries, "pod-1")
    assert "up to 5003 ms" in outcome.means[0]
    assert "1.2 ms" in outcome.result[1]


def test_quick_answers_clear_the_way() -> None:
    outcome = told([Timed(url="http://a:1/", dns_ms=1.0, tcp_ms=0.2, first_byte_ms=1.0, status=200)], "pod-1")
    assert "not the problem" in outcome.means[0]


def test_no_answer_is_a_gap_and_no_verdict() -> None:
    outcome = told([], "pod-1")
    assert outcome.state == "unavailable"
    assert outcome.gaps
    assert not outcome.means
