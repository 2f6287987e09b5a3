"""Where little can be looked at, there is a page all the same: within its time, each gap with its remedy."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.runbook.target import KUBECONFIG, Target, kubectl

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(not KUBECONFIG, reason="needs a cluster: UNSLOW_TEST_KUBECONFIG"),
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl"),
]
BUDGET = ("--budget", "8s")
PARTIAL = {
    "status": "success",
    "isPartial": True,
    "warnings": ["store-2 is down"],
    "data": {"resultType": "vector", "result": []},
}


@pytest.fixture(scope="module")
def restricted() -> Iterator[Target]:
    with Target("unslow-runbook-restricted", "restricted") as found:
        yield found


def page(command: list[str]) -> dict[str, dict[str, object]]:
    """The steps by their names."""
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=240, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 1, 3}, done.stderr
    return {step["id"]: step for step in json.loads(done.stdout)["steps"]}


def missing(step: dict[str, object]) -> str:
    gaps = step["gaps"]
    assert isinstance(gaps, list)
    assert all(gap["remedy"] for gap in gaps)
    return " ".join(gap["missing"] for gap in gaps)


def test_restricted_pod_security_forbids_the_capture_and_is_named(restricted: Target) -> None:
    steps = page(restricted.command(*BUDGET, "--allow", "capture", "--capture-time", "2s"))
    assert steps["capture"]["state"] == "unavailable"
    assert "Pod Security" in missing(steps["capture"])
    assert steps["connectivity"]["state"] == "done", "the image's own Python needs no further right"
    assert restricted.running_extras() == []


def test_restricted_pod_security_allows_the_load_test(restricted: Target) -> None:
    steps = page(restricted.command(*BUDGET, "--allow", "loadtest", "--load-time", "2s", "--load-rate", "5"))
    assert steps["prevention"]["state"] == "changed", missing(steps["prevention"])
    assert kubectl("get", "jobs", "-n", restricted.namespace, "-o", "name") == ""


def test_without_the_right_to_exec(restricted: Target) -> None:
    steps = page(restricted.command(*BUDGET, "--as", "system:serviceaccount:unslow:unslow-observe"))
    assert "create pods/exec" in missing(steps["connectivity"])
    assert steps["services"]["result"]


def test_an_image_without_a_shell() -> None:
    command = Target("kube-system").command(*BUDGET)
    command[command.index("kube-system/web")] = "kube-system/coredns"
    steps = page(command)
    assert steps["connectivity"]["state"] == "proposed"
    assert "Python in the image" in missing(steps["connectivity"])


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda page: page.send_error(503), "gave up|fails"),
        (lambda page: time.sleep(60), "in time|no answer|time"),
        (lambda page: reply(page, json.dumps(PARTIAL)), "histogram"),
        (lambda page: reply(page, '{"status": "succ'), "no Prometheus JSON|JSON"),
    ],
    ids=["503", "hangs", "partial", "cut off"],
)
def test_a_prometheus_in_trouble(
    restricted: Target, answer: Callable[[BaseHTTPRequestHandler], None], told: str
) -> None:
    with Served(answer) as address:
        begun = time.monotonic()
        steps = page(restricted.command(*BUDGET, "--prometheus", address))
        assert time.monotonic() - begun < 120
    said = missing(steps["latency"])
    assert steps["latency"]["state"] == "unavailable"
    assert any(word in said for word in told.split("|")), said
    assert steps["prevention"]["result"], "the steps after it go on"


def reply(handler: BaseHTTPRequestHandler, text: str) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(text.encode())


class Served:
    """A server that always gives this answer."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            do_POST = do_GET  # noqa: N815  # the server looks for these names

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()


@pytest.mark.parametrize("after_s", [0.0, 1.0, 6.0, 12.0])
def test_an_api_server_that_goes_away(restricted: Target, tmp_path: Path, after_s: float) -> None:
    config = yaml.safe_load(Path(KUBECONFIG).read_text())
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    relay = Relay(server.hostname or "", server.port or 443)
    config["clusters"][0]["cluster"].update(
        {"server": f"https://127.0.0.1:{relay.port}", "tls-server-name": server.hostname}
    )
    mine = tmp_path / "config"
    mine.write_text(yaml.safe_dump(config))
    threading.Timer(after_s, relay.cut).start()
    command = restricted.command(*BUDGET)
    command[command.index(KUBECONFIG)] = str(mine)
    begun = time.monotonic()
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=240, check=False)
    assert time.monotonic() - begun < 120
    assert "Traceback" not in done.stderr
    if done.returncode == 3 and not done.stdout:
        assert "API server" in done.stderr
        assert len(done.stderr.splitlines()) >= 2, "what is missing, and the remedy"
    else:
        assert all(gap["remedy"] for step in json.loads(done.stdout)["steps"] for gap in step["gaps"])


class Relay:
    """Passes bytes to the API server until it is cut."""

    def __init__(self, host: str, port: int) -> None:
        self._far = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._lines: list[socket.socket] = []
        self._is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._is_cut = True
        for line in (self._listener, *self._lines):
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # its other end was quicker

    def _accept(self) -> None:
        while not self._is_cut:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._far, timeout=10)
            except OSError:
                return
            self._lines += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            return
