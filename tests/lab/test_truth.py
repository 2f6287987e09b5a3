"""The truth is arithmetic on two files: what the visitors wrote, and what the services' timers wrote."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path
from types import ModuleType

import pytest

from unslow.lab import truth
from unslow.lab.faults import FAULTS, merged
from unslow.lab.truth import RouteTimes, Seen, compare, look

APPS = Path(truth.__file__).parent / "apps"


def timers(folder: Path, *records: tuple[float, float, str]) -> Path:
    (folder / "1").mkdir(parents=True)
    rows = [truth.RECORD.pack(ended_s, took_s, part.encode()) for ended_s, took_s, part in records]
    (folder / "1" / "77").write_bytes(b"".join(rows) + b"\0" * truth.RECORD.size * 3)
    return folder


def visits(folder: Path, *lines: str) -> Path:
    path = folder / "visits"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_only_what_was_due_in_the_window_counts(tmp_path: Path) -> None:
    came = visits(tmp_path, "9.9 0.5 /a 1", "10.0 0.1 /a 1", "19.9 0.3 /a 1", "20.0 0.5 /a 1", "15 0.2 /b 1")
    seen = look(came, tmp_path / "timers", "/a", 10.0, 20.0)
    assert seen.routes["/a"].mean_ms == pytest.approx(200.0)
    assert seen.routes["/a"].n == 2
    assert seen.routes["/b"].n == 1


def test_a_failed_visit_is_counted_and_left_out_of_the_mean(tmp_path: Path) -> None:
    came = visits(tmp_path, "1 0.1 /a 1", "2 30.0 /a 0", "3 30.0 /b 0", "4 0.")
    seen = look(came, tmp_path / "timers", "/a", 0.0, 10.0)
    assert seen.routes["/a"] == RouteTimes(100.0, 1, 1)
    assert seen.routes["/b"] == RouteTimes(0.0, 0, 1)


def test_parts_are_per_request_and_the_rest_is_the_queue(tmp_path: Path) -> None:
    came = visits(tmp_path, "1 0.1 /a 1", "2 0.1 /a 1")
    noted = timers(
        tmp_path / "timers",
        (1.1, 0.02, "payment"),
        (1.1, 0.06, "request"),
        (2.1, 0.04, "request"),
        (99.0, 9.0, "payment"),
    )
    seen = look(came, noted, "/a", 0.0, 10.0)
    assert seen.parts["payment"] == pytest.approx(10.0)
    assert seen.parts["request"] == pytest.approx(50.0)
    assert seen.parts["queue"] == pytest.approx(50.0)


def test_each_fault_gets_the_increase_of_its_own_parts() -> None:
    healthy = Seen({"/a": RouteTimes(20.0, 50)}, {"payment": 12.0, "log": 1.0})
    now = Seen({"/a": RouteTimes(150.0, 40)}, {"payment": 95.0, "log": 41.0})
    told = compare(now, healthy, "/a", {"slow_downstream": ("payment",), "sync_logging": ("log",)})
    assert told.injected == {"slow_downstream": 83.0, "sync_logging": 40.0}
    assert told.injected_ms == 130.0


def test_a_route_that_nobody_visited_before_has_no_increase() -> None:
    now = Seen({"/a/updates": RouteTimes(3000.0, 12)}, {})
    assert compare(now, Seen({"/a": RouteTimes(20.0, 50)}, {}), "/a/updates", {}).injected_ms == 0.0


def test_without_a_healthy_stretch_there_is_no_zero_to_take_away() -> None:
    told = compare(Seen({"/a": RouteTimes(150.0, 40)}, {"log": 41.0}), None, "/a", {"sync_logging": ("log",)})
    assert told.healthy_ms == 0.0
    assert told.injected == {"sync_logging": 41.0}


def stopwatch() -> ModuleType:
    """As the services load it: from its file, not from the package."""
    spec = importlib.util.spec_from_file_location("stopwatch", APPS / "stopwatch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_the_stopwatch_writes_is_what_the_truth_reads(tmp_path: Path) -> None:
    folder = tmp_path / "timers" / "1"
    folder.mkdir(parents=True)
    watch = stopwatch().Stopwatch(folder)
    watch.add("request", 0.05)
    watch.add("a_part_with_a_long_name", 0.02)
    with watch("log"):
        pass
    parts = look(tmp_path / "none", tmp_path / "timers", "/a", 0.0, 1e12).parts
    assert parts["request"] == pytest.approx(50.0)
    assert parts["a_part_with_a_lo"] == pytest.approx(20.0)
    assert parts["log"] < 50.0


def test_the_stopwatch_writes_over_its_oldest_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = stopwatch()
    monkeypatch.setattr(module, "RECORDS", 2)
    watch = module.Stopwatch(tmp_path)
    for seconds in (1.0, 2.0, 3.0):
        watch.add("request", seconds)
    (written,) = tmp_path.iterdir()
    assert sorted(row[1] for row in struct.iter_unpack("<dd16s", written.read_bytes())) == [2.0, 3.0]


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in {"none", "long_poll"}])
def test_every_fault_says_where_its_milliseconds_are(name: str) -> None:
    noted = (APPS / "orders.py").read_text()
    assert FAULTS[name].parts
    for part in FAULTS[name].parts:
        assert part == truth.QUEUE or f'"{part}"' in noted


def test_two_faults_add_up_and_the_lower_rate_wins() -> None:
    both = merged([FAULTS["missing_index"], FAULTS["sync_logging"]])
    assert both.without_index
    assert both.disturbers == FAULTS["sync_logging"].disturbers
    assert both.rate == min(FAULTS["missing_index"].rate or 0.0, FAULTS["sync_logging"].rate or 0.0)


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "none"])
def test_no_service_can_read_the_fault_in_a_name(name: str) -> None:
    for path in APPS.glob("*.py"):
        assert name not in path.read_text()
    assert name not in FAULTS[name].options
    assert name not in FAULTS[name].disturbers
