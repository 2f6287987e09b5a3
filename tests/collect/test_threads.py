from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.collect.live import APP, Callers, gunicorn, wait_for
from unslow.collect.discovery import find
from unslow.collect.idle_waits import SCRIPT, idle_waits
from unslow.collect.threads import ThreadReader, interpreter_data, main_thread_serves

PACKAGES = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
SYSTEM_PYTHON = "/usr/bin/python3"
INTERPRETERS = [sys.executable]
if Path(SYSTEM_PYTHON).resolve().name == f"python{sys.version_info[0]}.{sys.version_info[1]}":
    INTERPRETERS.append(SYSTEM_PYTHON)
"""The interpreter of this environment, often with a shared libpython, and the system's, one executable."""
READINGS = 80


def states(port: int, path: str, rate_per_s: float, callers: int) -> dict[str, float]:
    """Mean number of request threads in each state."""
    found = find(f"http://127.0.0.1:{port}{path}")
    main = len(list(Path(f"/proc/{found.workers[0]}/task").iterdir())) == 1
    reader = ThreadReader(found.workers, main_serves=main)
    assert reader.states_known
    counted: Counter[str] = Counter()
    with Callers(port, path, rate_per_s, threads=callers):
        time.sleep(0.5)
        for _ in range(READINGS):
            counted.update(each.state for each in reader.read() if each.serves)
            time.sleep(0.03)
    reader.close()
    return {state: number / READINGS for state, number in counted.items()}


@pytest.mark.lab
@pytest.mark.parametrize("python", INTERPRETERS)
def test_sync_workers_are_idle_in_their_loop_and_asleep_in_the_handler(tmp_path: Path, python: str) -> None:
    with gunicorn(tmp_path, "-w", "2", python=python, environment={"PYTHONPATH": PACKAGES}) as port:
        seen = states(port, "/sleep/50", 20, 4)
    assert seen["sleep"] == pytest.approx(1.0, abs=0.25)
    assert seen["idle"] == pytest.approx(1.0, abs=0.3)


@pytest.mark.lab
@pytest.mark.parametrize("python", INTERPRETERS)
def test_pool_threads_wait_for_work_a_lock_or_the_interpreter(tmp_path: Path, python: str) -> None:
    options = ("-w", "1", "--threads", "6")
    with gunicorn(tmp_path, *options, python=python, environment={"PYTHONPATH": PACKAGES}) as port:
        quiet = states(port, "/", 5, 2)
        locked = states(port, "/locked/100", 100, 4)
        spinning = states(port, "/spin/30", 100, 3)
    assert quiet["idle"] > 0.85 * sum(quiet.values())
    # Four callers, one holds the lock: all the others wait for it, and none of them looks idle.
    assert locked["lock"] == pytest.approx(3.0, abs=0.6)
    assert locked["sleep"] == pytest.approx(1.0, abs=0.3)
    assert spinning["gil"] == pytest.approx(2.0, abs=0.8)
    assert spinning.get("lock", 0.0) < 0.3


@pytest.mark.lab
def test_a_lock_that_all_threads_wait_for_is_not_idleness(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-w", "1", "--threads", "3", app=APP) as port:
        seen = states(port, "/locked/200", 100, 8)
    assert seen["lock"] == pytest.approx(2.0, abs=0.4)
    assert seen.get("idle", 0.0) < 0.4


def test_threads_at_the_base_of_their_stack_are_idle() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.replace("time.sleep(0.1)", "print(flush=True); time.sleep(60)")],
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.2)
        reader = ThreadReader([child.pid], main_serves=False)
        readings = reader.read()
        reader.close()
    finally:
        child.kill()
        child.wait()
    assert len(readings) > 15
    assert {reading.state for reading in readings if reading.serves} == {"idle"}
    assert [reading.state for reading in readings if not reading.serves] == ["sleep"]


def test_a_gone_process_has_no_threads() -> None:
    child = subprocess.Popen(["sleep", "60"])
    reader = ThreadReader([child.pid])
    wait_for(lambda: [reading.state for reading in reader.read()] == ["sleep"])
    child.kill()
    child.wait()
    assert reader.read() == []
    reader.close()


def test_descriptors_are_given_back() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    reader = ThreadReader([os.getpid()])
    for _ in range(3):
        thread = threading.Thread(target=lambda: None)
        thread.start()
        reader.read()
        thread.join()
    reader.read()
    reader.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_interpreters_data_is_found_and_asked_once() -> None:
    ranges = interpreter_data(os.getpid())
    assert ranges
    assert all(start < end for start, end in ranges)
    assert len(idle_waits(os.getpid())) > 3
    assert idle_waits(os.getpid()) is idle_waits(os.getpid())


def test_which_main_threads_serve() -> None:
    assert main_thread_serves("sync", 1) is True
    assert main_thread_serves("gthread", 4) is False
    assert main_thread_serves("threaded", 1) is None
    assert main_thread_serves("gevent", 1000) is None
