from __future__ import annotations

import json

from unslow.measure.path_totals import PathTotals
from unslow.report import path_report

TOTALS = PathTotals(
    traces=2,
    spans=5,
    own_ns={("shop", "GET /"): 1_000_000, ("bank", "pay"): 3_000_000, ("bank", "x" * 80): 0},
    excluded=(("orphan", 3),),
)


def test_the_most_comes_first_with_its_share():
    lines = path_report.render(TOTALS, 2).splitlines()
    assert lines[3].split() == ["bank:", "pay", "3.000", "75.0%"]
    assert lines[4].split() == ["shop:", "GET", "/", "1.000", "25.0%"]
    assert "1 more" in lines[5]
    assert lines[-1] == "left out: 3 x orphan"


def test_programs_get_nanoseconds():
    whole = json.loads(path_report.to_json(TOTALS))
    assert whole["operations"][0] == {"service": "bank", "name": "pay", "critical_ns": 3_000_000}
    assert whole["excluded"] == {"orphan": 3}


def test_nothing_on_a_path_is_no_division_by_zero():
    assert "0.000 ms" in path_report.render(PathTotals(traces=1, spans=1, own_ns={("s", "n"): 0}), 5)
