from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from tests import samples
from tests.checks.cluster import workload
from tests.evidences import evidence
from unslow import bundle, incident
from unslow.cli import main
from unslow.evidence import Evidence
from unslow.evidence.cluster import Cluster
from unslow.evidence.window import Target


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def kept(folder: Path, found: Evidence, name: str = "given.unslow") -> str:
    path = folder / name
    bundle.write(path, found)
    return str(path)


def test_a_bundle_becomes_the_baseline_of_its_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = samples.healthy()
    assert main(["baseline", kept(tmp_path, found)]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"baseline saved in {incident.baseline_path(found)}: 9.0 ms on average of 90 requests")
    assert "good one" not in told
    assert incident.baseline_path(found).exists()


def test_a_slow_one_does_not_take_the_place_of_an_earlier_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = kept(tmp_path, samples.slow(), "slow.unslow")
    main(["baseline", kept(tmp_path, samples.healthy())])
    path = incident.baseline_path(samples.slow())
    before = path.read_bytes()
    capsys.readouterr()
    assert main(["baseline", slow]) == 1
    assert "not saved: " in (told := capsys.readouterr().out)
    assert "--replace" in told
    assert path.read_bytes() == before
    assert main(["baseline", slow, "--replace"]) == 0
    assert "it may not be a good one" in capsys.readouterr().out
    assert path.read_bytes() != before


def test_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", kept(tmp_path, samples.healthy()), "--json", "--save", str(tmp_path / "kept.unslow")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "unslow.baseline/1"
    assert told["saved"] is True
    assert told["path"] == str(tmp_path / "kept.unslow")
    assert told["mean_ms"] == pytest.approx(9.0)


def test_where_nothing_can_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["baseline", kept(tmp_path, samples.healthy()), "--save", str(tmp_path / "file" / "x.unslow")]) == 2
    assert "nothing can be written to" in capsys.readouterr().err


def test_without_a_response_time_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", kept(tmp_path, evidence())]) == 3
    assert "without a response time" in capsys.readouterr().err


def test_a_baseline_is_kept_without_its_own_reference(tmp_path: Path) -> None:
    found = incident.compared(samples.healthy(), samples.healthy())
    main(["baseline", kept(tmp_path, found)])
    assert bundle.read(incident.baseline_path(found)).reference is None


def test_a_workload_is_found_however_it_is_written_and_by_its_route() -> None:
    def path(name: str, space: str = "market", route: str = "/items") -> Path:
        cluster = Cluster(context="c", workload=msgspec.structs.replace(workload(), namespace=space))
        target = Target(name=name, kind="workload", path=route)
        return incident.baseline_path(msgspec.structs.replace(evidence(cluster=cluster), target=target))

    assert path("market/shop") == path("deploy/shop")
    assert path("deploy/shop") != path("deploy/shop", space="other")
    assert path("market/shop") != path("market/shop", route="/carts")
