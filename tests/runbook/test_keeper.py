"""Promises are kept by return, by an error, and by the process that outlives a kill; against a small API server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from unslow.kube.client import Client
from unslow.kube.config import Access
from unslow.runbook.keeper import Keeper, Undo


class Cluster:
    """Objects by their path; deletes and merge patches of annotations."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(cluster.objects.get(self.path.partition("?")[0]))

            def do_DELETE(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._reply(cluster.objects.pop(self.path.partition("?")[0], None))

            def do_PATCH(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                found = cluster.objects.get(self.path.partition("?")[0])
                if found is not None:
                    for name, value in body["metadata"]["annotations"].items():
                        if value is None:
                            found["metadata"]["annotations"].pop(name, None)
                self._reply(found)

            def _reply(self, found: dict[str, Any] | None) -> None:
                body = json.dumps(found if found is not None else {"code": 404, "reason": "NotFound"}).encode()
                self.send_response(200 if found is not None else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Cluster:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as found:
        found.objects["/jobs/a"] = {"metadata": {"name": "a", "uid": "1"}}
        found.objects["/pods/p"] = {"metadata": {"uid": "2", "annotations": {"ours": "true", "theirs": "x"}}}
        yield found


def client(cluster: Cluster) -> Client:
    return Client(Access(server=cluster.address))


def test_an_open_promise_is_kept_at_the_end(cluster: Cluster) -> None:
    with Keeper(client(cluster)) as keeper:
        keeper.promise(Undo(id="a", path="/jobs/a"))
    assert "/jobs/a" not in cluster.objects


def test_also_when_an_error_passes_through(cluster: Cluster) -> None:
    def fail() -> None:
        with Keeper(client(cluster)) as keeper:
            keeper.promise(Undo(id="a", path="/jobs/a"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert "/jobs/a" not in cluster.objects


def test_what_is_undone_is_not_undone_again(cluster: Cluster) -> None:
    with Keeper(client(cluster)) as keeper:
        keeper.undo(keeper.promise(Undo(id="a", path="/jobs/a")))
        cluster.objects["/jobs/a"] = {"metadata": {"uid": "9"}}
    assert "/jobs/a" in cluster.objects


def test_only_our_own_annotation_is_taken_away(cluster: Cluster) -> None:
    with Keeper(client(cluster)) as keeper:
        keeper.promise(Undo(id="p", path="/pods/p", uid="2", annotations={"ours": "true", "theirs": "y"}))
    assert cluster.objects["/pods/p"]["metadata"]["annotations"] == {"theirs": "x"}


def test_an_object_made_anew_under_the_name_is_left_alone(cluster: Cluster) -> None:
    with Keeper(client(cluster)) as keeper:
        keeper.promise(Undo(id="p", path="/pods/p", uid="another", annotations={"ours": "true"}))
    assert cluster.objects["/pods/p"]["metadata"]["annotations"]["ours"] == "true"


KILLED = """
import os, signal, sys
from unslow.kube.client import Client
from unslow.kube.config import Access
from unslow.runbook.keeper import Keeper, Undo
keeper = Keeper(Client(Access(server=sys.argv[1])))
keeper.promise(Undo(id="a", path="/jobs/a"))
keeper.promise(Undo(id="p", path="/pods/p", uid="2", annotations={"ours": "true"}))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_does_not_break_the_promise(cluster: Cluster) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, cluster.address], check=False, timeout=60, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if "/jobs/a" not in cluster.objects and "ours" not in cluster.objects["/pods/p"]["metadata"]["annotations"]:
            return
        time.sleep(0.1)
    raise AssertionError(cluster.objects)
