"""The runbook on a real cluster: every step, and nothing left behind, also when it is interrupted or killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runbook.target import AUDIT, KUBECONFIG, Target
from unslow.runbook import STEPS

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(not KUBECONFIG, reason="needs a cluster: UNSLOW_TEST_KUBECONFIG"),
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl"),
]
KILLS = int(os.environ.get("UNSLOW_TEST_KILLS", "2"))
QUICK = ("--budget", "8s", "--trace-time", "3s", "--load-time", "3s", "--capture-time", "2s")
ALLOWED = ("--allow", "tracing", "--allow", "loadtest", "--allow", "capture", "--load-rate", "5")
OBSERVE = "system:serviceaccount:unslow:unslow-observe"
CLEAN_S = 90.0


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with Target("unslow-runbook-test") as found:
        yield found


def run(target: Target, *options: str) -> dict[str, object]:
    done = subprocess.run(target.command(*options, "--json"), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in {0, 1, 3}, done.stderr
    page: dict[str, object] = json.loads(done.stdout)
    return page


def test_every_step_appears_in_its_order_and_reading_changes_nothing(target: Target) -> None:
    before, processes = target.objects(), target.processes()
    page = run(target, *QUICK)
    steps = page["steps"]
    assert isinstance(steps, list)
    assert [step["id"] for step in steps] == list(STEPS)
    assert all(step["commands"] and step["asks"] for step in steps)
    assert all(step["result"] or step["means"] or step["gaps"] or step["proposals"] for step in steps)
    assert all(gap["remedy"] for step in steps for gap in step["gaps"])
    assert target.until_clean(before, processes, CLEAN_S) == ""


def test_the_observe_identity_gets_a_page_with_its_gaps_and_writes_nothing(target: Target) -> None:
    before, processes = target.objects(), target.processes()
    start = Path(AUDIT).stat().st_size if AUDIT else 0
    page = run(target, *QUICK, *ALLOWED, "--as", OBSERVE)
    steps = page["steps"]
    assert isinstance(steps, list)
    gaps = [gap["missing"] for step in steps for gap in step["gaps"]]
    assert any("exec" in gap for gap in gaps)
    assert not any(step["state"] == "changed" for step in steps)
    assert target.until_clean(before, processes, CLEAN_S) == ""
    if AUDIT:
        assert written(start, OBSERVE) == []


def written(start: int, user: str) -> list[str]:
    """Requests of that identity that would change something, beyond asking what it may do."""
    found = []
    with Path(AUDIT).open() as log:
        log.seek(start)
        for line in log:
            event = json.loads(line) if line.endswith("\n") else {}
            who = event.get("impersonatedUser", event.get("user", {})).get("username")
            about = event.get("objectRef", {})
            writes = event.get("verb") in {"create", "update", "patch", "delete", "deletecollection"}
            if who == user and writes and not about.get("resource", "").startswith("selfsubject"):
                found.append(f"{event['verb']} {about.get('resource')}/{about.get('subresource', '')}")
    return found


def test_what_was_allowed_is_done_and_undone(target: Target) -> None:
    before, processes = target.objects(), target.processes()
    page = run(target, *QUICK, *ALLOWED)
    steps = page["steps"]
    assert isinstance(steps, list)
    states = {step["id"]: step["state"] for step in steps}
    assert states["tracing"] == "changed"
    assert states["prevention"] == "changed", [step["gaps"] for step in steps]
    assert states["capture"] == "changed", [step["gaps"] for step in steps]
    assert target.until_clean(before, processes, CLEAN_S) == ""


def test_ctrl_c_cleans_up(target: Target) -> None:
    before, processes = target.objects(), target.processes()
    running = started(target)
    until_there_is_a_change(target, before)
    running.send_signal(signal.SIGINT)
    running.wait(60)
    assert running.returncode == 130
    assert target.until_clean(before, processes, CLEAN_S) == ""


def test_killed_at_any_moment_it_leaves_nothing(target: Target) -> None:
    before, processes = target.objects(), target.processes()
    chance = random.Random(os.environ.get("UNSLOW_TEST_SEED", "7"))
    for number in range(KILLS):
        running = started(target)
        if number == 0:
            until_there_is_a_change(target, before)
        else:
            time.sleep(chance.uniform(0.5, 35.0))
        running.kill()
        running.wait(30)
        left = target.until_clean(before, processes, CLEAN_S)
        print(f"kill {number + 1} of {KILLS}: {left or 'nothing left'}", flush=True)
        assert left == ""


def started(target: Target) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        target.command(*QUICK, *ALLOWED),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job's shell ignores it
    )


def until_there_is_a_change(target: Target, before: list[dict[str, object]]) -> None:
    until = time.monotonic() + 120
    while target.objects() == before:
        assert time.monotonic() < until, "the runbook changed nothing"
        time.sleep(0.3)
