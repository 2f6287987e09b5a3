from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.collect.live import accepts, free_port, gunicorn, running, wait_for
from unslow.collect.discovery import find
from unslow.collect.servers import UNLIMITED, server


@pytest.mark.lab
def test_gunicorns_settings_and_what_runs(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("workers = 1 + 1\ntimeout = 47\nbacklog = 64\n")
    with gunicorn(tmp_path, "--threads", "3", environment={"GUNICORN_CMD_ARGS": "--keep-alive 9"}) as port:
        found = find(f"http://127.0.0.1:{port}/")
        known = server(found)
    assert (known.name, known.worker_class) == ("gunicorn", "gthread")
    assert (known.workers, known.threads, known.slots) == (2, 3, 6)
    assert (known.timeout_s, known.keepalive_s, known.backlog) == (47.0, 9.0, 64)
    assert known.python == sys.version.split()[0]
    assert known.version
    assert known.multiprocess_metrics is None
    assert len(known.worker_started_s) == 2
    assert known.started_s <= min(known.worker_started_s)


@pytest.mark.lab
def test_a_replaced_worker_is_a_restart(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-w", "2", environment={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}) as port:
        found = find(f"http://127.0.0.1:{port}/")
        assert server(found).restarts == 0
        os.kill(found.workers[0], signal.SIGKILL)
        wait_for(lambda: len(set(found.workers_now()) - set(found.workers)) == 1)
        known = server(found)
        assert (known.restarts, known.workers) == (1, 2)
        assert known.multiprocess_metrics is True
        assert known.keepalive_s == 0.0


@pytest.mark.lab
def test_flasks_own_server_starts_a_thread_for_each_request(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "small.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    command = [sys.executable, "-m", "flask", "--app", "small", "run", "--port", str(port)]
    with running(command, tmp_path, lambda: accepts(port)):
        known = server(find(f"http://127.0.0.1:{port}/"))
    assert (known.name, known.workers, known.threads) == ("werkzeug", 1, UNLIMITED)


def test_a_server_in_a_script() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        known = server(find(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
    assert known.pids == (os.getpid(),)
    assert known.timeout_s is None
