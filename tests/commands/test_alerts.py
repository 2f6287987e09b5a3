"""`unslow alerts lint` as a user runs it."""

from __future__ import annotations

import json

import pytest

from unslow.cli import main

RULES = """groups: [{name: a, rules: [{alert: Slow, for: 5m,
  expr: 'rate(http_request_duration_seconds_sum{namespace="shop"}[5m]) > 1'}]}]"""


def test_faults_are_told_and_what_is_written_has_none(tmp_path, capsys):
    (tmp_path / "r.yaml").write_text(RULES)
    written = tmp_path / "c.yaml"
    assert main(["alerts", "lint", str(tmp_path / "r.yaml"), "--write", str(written), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["alerts"][0]["faults"][0]["kind"] == "rate_of_sum"
    assert told["written"] == [str(written), str(tmp_path / "c_test.yaml")]
    assert main(["alerts", "lint", str(written)]) == 0


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ([], 2),
        (["/nowhere.yaml"], 2),
        (["--from-prometheus", "http://127.0.0.1:1"], 3),
        (["--from-prometheus", "http://127.0.0.1:1", "--header", "x"], 2),
        (["x.yaml", "--history", "1h"], 2),
        (["x.yaml", "--by", "a b"], 2),
    ],
)
def test_clear_errors(more, code):
    assert main(["alerts", "lint", *more]) == code
