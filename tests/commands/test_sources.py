"""The options that say where to look."""

from __future__ import annotations

import pytest

from unslow.cli import main


def test_a_pod_on_the_node_needs_an_image(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "market/shop", "--allow", "node"]) == 2
    assert "--debug-image" in capsys.readouterr().err


def test_nothing_else_is_allowed_here(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["diagnose", "market/shop", "--allow", "everything"])
    assert ended.value.code == 2
    assert "node" in capsys.readouterr().err
