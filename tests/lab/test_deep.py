"""Three traced services, a fault in the deepest: the account and the ranking point there, not at the first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from unslow import bundle, incident
from unslow.evidence import Evidence
from unslow.lab.processes import free_port
from unslow.lab.shop import Lab
from unslow.report import document
from unslow.settings import Looking

pytestmark = pytest.mark.lab
BUDGET_S = 18.0


@pytest.fixture(scope="module")
def windows() -> Iterator[tuple[Evidence, Evidence]]:
    """Healthy, then with the slow ledger."""
    port = free_port()
    with Lab(deep=True, tracing=f"http://127.0.0.1:{port}", baseline_s=2.0) as lab:
        looking = Looking(target=lab.url, budget_s=BUDGET_S, otlp_port=port)
        healthy = incident.gather(looking, lambda text: None, baseline=False)
        lab.switch(("slow_downstream",))
        time.sleep(2.0)
        yield healthy, incident.gather(looking, lambda text: None, baseline=False)


@pytest.mark.parametrize("with_baseline", [False, True])
def test_the_deepest_service_is_named(windows: tuple[Evidence, Evidence], with_baseline: bool) -> None:
    healthy, slow = windows
    diagnosis = incident.diagnose(incident.compared(slow, healthy) if with_baseline else slow)
    assert diagnosis.causes[0].check == "slow_downstream", diagnosis.headline
    assert diagnosis.causes[0].place.startswith("ledger: GET /entries")
    top = max(diagnosis.account.lines, key=lambda line: line.excess_ms)
    assert (top.kind, top.where.service) == ("downstream", "ledger")
    assert top.excess_ms >= 50.0
    assert abs(diagnosis.account.unexplained_ms) <= 0.3 * diagnosis.account.excess_ms


def test_traces_divide_the_calls_and_add_nothing(windows: tuple[Evidence, Evidence]) -> None:
    _, slow = windows
    with_traces = incident.diagnose(slow).account
    without = incident.diagnose(msgspec.structs.replace(slow, spans=None)).account
    assert with_traces.unexplained_ms == pytest.approx(without.unexplained_ms, abs=0.01)
    called = [line.id for line in without.lines if line.kind == "downstream" and "payments" in line.id]
    assert called == ["downstream: calls to payments"]


def test_a_healthy_chain_is_blamed_for_nothing(windows: tuple[Evidence, Evidence]) -> None:
    assert incident.diagnose(windows[0]).verdict == "healthy"


def test_the_bundle_gives_the_same_document(windows: tuple[Evidence, Evidence], tmp_path: Path) -> None:
    bundle.write(tmp_path / "run.unslow", windows[1])
    again = incident.diagnose(bundle.read(tmp_path / "run.unslow"))
    assert document.render(again) == document.render(incident.diagnose(windows[1]))
