"""The shop with real servers: its faults are real, the diagnosis finds them, and nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.leftovers import processes_of
from unslow import bundle, incident
from unslow.diagnosis import Diagnosis
from unslow.lab.faults import FAULTS
from unslow.lab.shop import Lab
from unslow.report import document
from unslow.settings import Looking

pytestmark = pytest.mark.lab
INJECTED_MS = 30.0
BUDGET_S = 18.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as shop:
        yield shop


def looked(lab: Lab, tmp_path: Path) -> Diagnosis:
    """One diagnosis without a baseline; its bundle must give the same document."""
    evidence = incident.gather(Looking(target=lab.url, budget_s=BUDGET_S), lambda text: None, baseline=False)
    path = tmp_path / "run.unslow"
    bundle.write(path, evidence)
    diagnosis = incident.diagnose(evidence)
    assert document.render(incident.diagnose(bundle.read(path))) == document.render(diagnosis)
    return diagnosis


@pytest.mark.parametrize("fault", ["missing_index", "slow_downstream", "lock_wait", "sync_logging"])
def test_a_fault_is_real_and_found(lab: Lab, fault: str, tmp_path: Path) -> None:
    lab.switch((fault,))
    time.sleep(2.0)
    diagnosis = looked(lab, tmp_path)
    assert lab.truth().injected_ms >= INJECTED_MS
    assert diagnosis.causes[0].check == fault, diagnosis.headline


@pytest.mark.parametrize("fault", ["none", "long_poll"])
def test_nothing_is_blamed_without_a_fault(lab: Lab, fault: str, tmp_path: Path) -> None:
    lab.switch((fault,))
    time.sleep(2.0)
    diagnosis = looked(lab, tmp_path)
    assert not diagnosis.causes, diagnosis.headline
    assert diagnosis.verdict == "healthy"


def test_nothing_is_left_behind() -> None:
    with Lab() as shop:
        folder = shop.folder
        assert processes_of(folder)
    assert not folder.exists()
    assert not processes_of(folder)


def test_every_fault_has_a_title() -> None:
    assert all(fault.title for fault in FAULTS.values())
