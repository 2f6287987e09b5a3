from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import samples
from unslow import bundle
from unslow.cli import main


@pytest.fixture
def incident(tmp_path: Path) -> Path:
    path = tmp_path / "incident.unslow"
    bundle.write(path, samples.slow())
    return path


def test_causes_found_is_exit_code_1(incident: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", str(incident)]) == 1
    assert "no index serves a query on parcel" in capsys.readouterr().out


def test_a_healthy_target_is_exit_code_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "well.unslow"
    bundle.write(path, samples.healthy())
    assert main(["diagnose", str(path)]) == 0
    assert "is healthy" in capsys.readouterr().out


def test_json_and_the_page_from_a_bundle(
    incident: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    page = tmp_path / "report.html"
    main(["diagnose", str(incident), "--json", "--html", str(page)])
    assert json.loads(capsysbinary.readouterr().out)["causes"][0]["check"] == "missing_index"
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["diagnose", "/nowhere.unslow"], 2, "cannot be read"),
        (["diagnose", "http://127.0.0.1:1/x"], 3, "nothing listens"),
        (["checks", "no_such"], 2, "there is no check"),
        (["demo", "--fault", "no_such"], 2, "there is no fault"),
        (["slow-log", "/nowhere.log"], 2, "cannot be read"),
    ],
)
def test_errors_are_one_line_and_a_remedy(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_bad_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["diagnose"])
    assert caught.value.code == 2
    assert "--help" in capsys.readouterr().err


def test_an_unknown_check_to_skip_is_refused(incident: Path) -> None:
    assert main(["diagnose", str(incident), "--skip", "nonsense"]) == 2


def test_checks_are_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["checks"]) == 0
    assert "missing_index" in capsys.readouterr().out
    main(["checks", "missing_index"])
    assert "Look-alike" in capsys.readouterr().out


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from unslow.cli import parser; parser().format_help(); print(sorted(m for m in sys.modules if m in HEAVY))"
    heavy = "HEAVY = {'msgspec', 'rich', 'duckdb', 'psycopg', 'jinja2', 'redis', 'asyncio'}; "
    ran = subprocess.run([sys.executable, "-c", heavy + code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_completion_prints_the_script_of_the_shell(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        assert "kubectl_complete-unslow" in capsys.readouterr().out
