"""Each fault costs the visitors what it should, by timers inside the services, and nothing outlives the shop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.leftovers import processes_of
from unslow.lab.shop import Lab

pytestmark = pytest.mark.lab
INJECTED_MS = 40.0
FAULTS = (
    ("missing_index",),
    ("n_plus_one",),
    ("lock_wait",),
    ("slow_downstream",),
    ("hot_function",),
    ("cache_cold",),
    ("network_slow",),
    ("slow_downstream", "sync_logging"),
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(baseline_s=3.0) as shop:
        yield shop


@pytest.mark.parametrize("faults", FAULTS, ids="+".join)
def test_a_fault_costs_what_it_should(lab: Lab, faults: tuple[str, ...]) -> None:
    lab.switch(faults)
    time.sleep(1.0)
    lab.mark()
    time.sleep(3.0)
    told = lab.truth()
    assert told.failed == 0
    assert set(told.injected) == set(faults)
    assert all(cost_ms >= INJECTED_MS for cost_ms in told.injected.values()), told.injected


@pytest.fixture
def folder() -> Iterator[Path]:
    """Directly below the temporary folder, where PostgreSQL's user may look, too."""
    with tempfile.TemporaryDirectory(prefix="unslow-test-", ignore_cleanup_errors=True) as path:
        yield Path(path)


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    """The shop in a process of its own, as soon as its addresses are printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "unslow.lab", "--baseline", "0", "--directory", folder, *words],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("redis"):
            break
    return process


def all_gone(folder: Path, patience_s: float = 15.0) -> bool:
    deadline = time.monotonic() + patience_s
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not processes_of(folder)


def test_nothing_outlives_a_shop_that_is_killed(folder: Path) -> None:
    process = started(folder, "--fault", "lock_wait")
    assert len(processes_of(folder)) >= 6
    process.kill()
    process.wait()
    assert all_gone(folder), processes_of(folder)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["interrupted", "terminated"])
def test_nothing_outlives_a_shop_that_is_told_to_stop(folder: Path, how: signal.Signals) -> None:
    process = started(folder)
    process.send_signal(how)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == (0 if how == signal.SIGINT else 128 + how)
    assert ("visitors:" in rest) == (how == signal.SIGINT)
    assert not processes_of(folder)


def test_two_shops_stand_side_by_side(lab: Lab) -> None:
    with Lab(baseline_s=0.0) as other:
        assert not set(other.urls.values()) & set(lab.urls.values())


def test_the_terminal_interrupts_only_the_parent(lab: Lab) -> None:
    groups = {os.getpgid(pid) for pid in processes_of(lab.folder)}
    assert groups
    assert os.getpgid(0) not in groups
