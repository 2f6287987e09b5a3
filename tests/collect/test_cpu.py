from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collect.live import Callers, accepts, free_port, gunicorn, running, wait_for
from unslow.collect.cpu import CpuReader
from unslow.collect.discovery import find
from unslow.errors import Unavailable
from unslow.evidence.cpu import Cpu
from unslow.evidence.window import Window


def measured(port: int, path: str, rate_per_s: float, callers: int, seconds: float = 4.0) -> tuple[float, Cpu]:
    """(requests a second, CPU over a window)."""
    reader = CpuReader(find(f"http://127.0.0.1:{port}{path}"))
    with Callers(port, path, rate_per_s, threads=callers) as sent:
        time.sleep(0.5)
        start_s = time.time()
        while time.time() < start_s + seconds:
            reader.sample()
            time.sleep(0.035)
        window = Window(start_s=start_s, end_s=time.time())
        found = reader.result(window)
    reader.close()
    return sent.rate_per_s(window.start_s, window.end_s), found


@pytest.mark.lab
@pytest.mark.parametrize("options", [("-w", "2"), ("-w", "2", "--threads", "4")])
def test_busy_threads_are_rate_times_time(tmp_path: Path, options: tuple[str, ...]) -> None:
    with gunicorn(tmp_path, *options) as port:
        rate_per_s, cpu = measured(port, "/sleep/60", 15, 6)
    assert cpu.busy_mean == pytest.approx(rate_per_s * 0.06, rel=0.25)
    assert cpu.used_cores < 0.3
    assert cpu.machine_cores >= 1
    assert 0 < cpu.machine_busy_ratio <= 1


@pytest.mark.lab
def test_cpu_time_is_the_handlers(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-w", "1", "--threads", "4") as port:
        rate_per_s, cpu = measured(port, "/spin/20", 12, 4)
    assert cpu.request_run_s == pytest.approx(rate_per_s * 0.02 * cpu.seconds, rel=0.3)
    assert cpu.used_cores >= cpu.request_run_s / cpu.seconds * 0.8
    assert 1 <= cpu.request_threads <= 4


@pytest.mark.lab
def test_a_thread_for_each_request_is_busy_as_long_as_it_lives(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "small.py").write_text(
        "import time\nfrom flask import Flask\napp = Flask(__name__)\n"
        "@app.get('/')\ndef index():\n    time.sleep(0.1)\n    return 'ok'\n"
    )
    command = [sys.executable, "-m", "flask", "--app", "small", "run", "--port", str(port)]
    with running(command, tmp_path, lambda: accepts(port)):
        rate_per_s, cpu = measured(port, "/", 15, 6)
    assert cpu.busy_mean == pytest.approx(rate_per_s * 0.1, rel=0.25)


@pytest.mark.lab
def test_a_window_without_readings_is_unavailable(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-w", "1") as port:
        reader = CpuReader(find(f"http://127.0.0.1:{port}/"))
        reader.sample()
        with pytest.raises(Unavailable):
            reader.result(Window(start_s=1.0, end_s=2.0))
        reader.close()


@pytest.fixture
def quota_group() -> Iterator[Path]:
    """A control group of version 1 that gets 0.3 cores."""
    group = Path(f"/sys/fs/cgroup/cpu/unslow-test-{os.getpid()}")
    try:
        group.mkdir()
        (group / "cpu.cfs_period_us").write_text("100000")
        (group / "cpu.cfs_quota_us").write_text("30000")
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    yield group
    wait_for(lambda: not (group / "cgroup.procs").read_text())
    group.rmdir()


@pytest.mark.lab
def test_throttling_is_seen_and_lies_within_the_delay(tmp_path: Path, quota_group: Path) -> None:
    with gunicorn(tmp_path, "-w", "1", "--threads", "2") as port:
        for pid in find(f"http://127.0.0.1:{port}/").workers:
            (quota_group / "cgroup.procs").write_text(str(pid))
        _, cpu = measured(port, "/spin/60", 20, 2)
    assert cpu.limit_cores == 0.3
    assert cpu.throttled_ratio > 0.5
    assert cpu.used_cores == pytest.approx(0.3, rel=0.3)
    assert cpu.request_delay_s > 0.5 * cpu.throttled_s
