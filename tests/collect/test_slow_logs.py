from __future__ import annotations

from pathlib import Path

import pytest

from unslow.collect.slow_logs import SlowLogReader, summarise, written_by
from unslow.errors import BadInput, Unavailable
from unslow.evidence.window import Window

POSTGRES = """\
2026-01-05 10:00:01.001 UTC [71] LOG:  duration: 120.500 ms  statement: SELECT * FROM parcel
\tWHERE owner = 7
2026-01-05 10:00:02 UTC:10.0.0.1(5000):app@shop:[72]:LOG:  duration: 80.5 ms  execute <unnamed>: SELECT * FROM parcel WHERE owner = 9
2026-01-05 10:00:02 UTC [71] LOG:  checkpoint complete
"""


def test_postgresql_lines_of_one_shape_are_added_up(tmp_path: Path) -> None:
    path = tmp_path / "pg.log"
    path.write_text(POSTGRES)
    log = summarise(path)
    (one,) = log.statements
    assert (one.text, one.count, one.max_s) == ("SELECT * FROM parcel WHERE owner = ?", 2, 0.1205)
    assert one.total_s == pytest.approx(0.201)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("WARNING slow query (812 ms): SELECT 1", 0.812),
        ("app: Slow query took 1.5 s: SELECT 1", 1.5),
        ('{"level": "WARNING", "msg": "slow query (250 ms): SELECT 1"}', 0.25),
    ],
)
def test_lines_of_applications(tmp_path: Path, line: str, seconds: float) -> None:
    path = tmp_path / "app.log"
    path.write_text(f"started\n{line}\nstopped\n")
    (one,) = summarise(path).statements
    assert one.text == "SELECT ?"
    assert one.total_s == pytest.approx(seconds)


def test_a_log_without_slow_statements(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("all is well\n")
    assert summarise(path).statements == ()


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        summarise(Path("/nowhere/at/all.log"))


def test_the_logs_that_a_process_writes_are_found(tmp_path: Path) -> None:
    import os

    path = tmp_path / "worker.log"
    with path.open("w"):
        assert path in written_by([os.getpid()])


def test_without_any_log_the_remedy_is_said() -> None:
    with pytest.raises(Unavailable) as caught:
        SlowLogReader([], []).read(Window(start_s=0.0, end_s=1.0))
    assert "--log" in caught.value.remedy
