"""A service whose processes belong to someone else is still timed, and every gap has its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.collect.live import Callers, gunicorn
from unslow.collect import local, processes
from unslow.diagnose import diagnose
from unslow.settings import Looking


@pytest.mark.lab
def test_what_needs_the_processes_is_skipped_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gunicorn(tmp_path, "-w", "1", "--threads", "4") as port, Callers(port, "/sleep/60", 10, threads=4):
        monkeypatch.setattr(processes, "holders", lambda inodes: ())  # as the kernel answers another user
        looking = Looking(target=f"http://127.0.0.1:{port}/sleep/60", budget_s=8.0)
        evidence = local.collect(looking, lambda text: None)
    assert evidence.requests is not None
    assert min(evidence.requests.first_byte_s) >= 0.06
    assert evidence.sockets is not None
    skipped = {probe.name: probe for probe in evidence.probes if probe.result == "skipped"}
    assert set(local.NEEDS_PROCESSES) <= set(skipped)
    assert "cannot be seen" in skipped["profile"].missing
    assert "as root" in skipped["profile"].remedy
    answer = diagnose(evidence)
    assert answer.verdict == "unknown", "60 ms that nobody could look into are not healthy"
    assert {one.check for one in answer.skipped} >= {"hot_function", "sleeping_handler", "cpu_throttled"}
    assert not answer.causes
