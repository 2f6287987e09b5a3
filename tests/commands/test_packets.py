"""The command on files, good and bad."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.packets.made import capture, talk
from unslow.cli import main


def test_a_capture_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.pcap"
    file.write_bytes(capture(*talk(0)))
    assert main(["packets", str(file)]) == 0
    assert "in the server" in capsys.readouterr().out
    assert main(["packets", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["means"]


@pytest.mark.parametrize("content", [b"", b"no capture"])
def test_what_is_no_capture_is_refused_with_a_remedy(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.pcap"
    file.write_bytes(content)
    assert main(["packets", str(file)]) == 2
    assert "pcapng" in capsys.readouterr().err


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["packets", "/no/such/file"]) == 2
    assert "No such file" in capsys.readouterr().err
