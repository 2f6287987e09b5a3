from __future__ import annotations

import subprocess
import sys
import time

import pytest

from unslow.collect.gc_state import GcReader, offsets
from unslow.errors import Unavailable
from unslow.evidence.window import Window

COLLECTING = """
import gc, sys, time
kept = [[] for _ in range(400000)]
gc.disable()
gc.collect()
spent = 0.0
print(flush=True)
start = time.perf_counter()
while time.perf_counter() < start + 4.0:
    began = time.perf_counter()
    gc.collect()
    spent += time.perf_counter() - began
    time.sleep(0.06)
print(spent / (time.perf_counter() - start), flush=True)
"""


def test_the_share_of_time_in_collections_is_read_from_outside() -> None:
    child = subprocess.Popen([sys.executable, "-c", COLLECTING], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        reader = GcReader([child.pid])
        start_s = time.time()
        while time.time() < start_s + 3.6:
            reader.sample()
            time.sleep(0.01)
        told = reader.result(Window(start_s=start_s, end_s=time.time()))
        truth = float(child.stdout.readline())
    finally:
        child.kill()
        child.wait()
    reader.close()
    assert truth > 0.02
    assert told.ratio == pytest.approx(truth, abs=0.1)
    assert told.ratio > 0
    assert told.tracked_objects == pytest.approx(400_000, rel=0.1)
    assert told.full_per_s is not None
    assert told.full_per_s > 3


def test_a_quiet_process_collects_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=-1, stdout=-1)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        reader = GcReader([child.pid])
        start_s = time.time()
        for _ in range(20):
            reader.sample()
        told = reader.result(Window(start_s=start_s, end_s=time.time()))
        assert not reader.collecting(child.pid)
    finally:
        child.kill()
        child.wait()
    reader.close()
    assert (told.ratio, told.readings, told.full_per_s) == (0.0, 20, 0.0)


def test_what_is_no_interpreter_is_unavailable() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        with pytest.raises(Unavailable, match="garbage collector"):
            offsets(child.pid)
    finally:
        child.kill()
        child.wait()
