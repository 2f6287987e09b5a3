from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.collect.live import gunicorn
from unslow.collect.deploys import MAX_FILES, deploys, files
from unslow.collect.discovery import find


def test_only_the_applications_own_files_are_looked_at(tmp_path: Path) -> None:
    own = ["app.py", "pkg/views.py", "settings.toml"]
    others = ["data.bin", ".git/config.py", "pkg/__pycache__/x.py", "lib/site-packages/flask.py"]
    others += ["sandbox/pyvenv.cfg", "sandbox/lib/x.py", "a/b/c/d/e/f/deep.py"]
    for name in own + others:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    assert sorted(str(file.relative_to(tmp_path)) for file in files(tmp_path)) == own


def test_a_large_folder_is_bounded(tmp_path: Path) -> None:
    for number in range(MAX_FILES + 5):
        (tmp_path / f"m{number}.py").touch()
    assert sum(1 for _ in files(tmp_path)) == MAX_FILES


@pytest.mark.lab
def test_changes_come_newest_first(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "ancient.py").write_text("")
    os.utime(tmp_path / "old" / "ancient.py", (1.0, 1.0))
    with gunicorn(tmp_path, "-w", "1") as port:
        (tmp_path / "pkg").mkdir()
        (tmp_path / "pkg" / "fresh.py").write_text("")
        later_s = time.time() + 5
        os.utime(tmp_path / "pkg" / "fresh.py", (later_s, later_s))
        found = deploys(find(f"http://127.0.0.1:{port}/"))
    assert [change.where for change in found.changes[:1]] == ["pkg/fresh.py"]
    assert any(change.what == "the server was started" for change in found.changes)
    assert not any("ancient" in change.where for change in found.changes)
