"""Rules are read, judged, corrected, and the corrected ones hold before the real promtool."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import yaml

from unslow.alerts import backtest, corrected, lint
from unslow.alerts.rules import Rule, on_latency, read, seconds
from unslow.errors import BadInput

SEED = Rule(
    name="ServiceLatency", expression='rate(http_request_duration_seconds_sum{namespace="shop"}[5m]) > 1', for_s=300
)
GOOD = """
(sum by (job) (rate(x_duration_seconds_sum[5m])) / sum by (job) (rate(x_duration_seconds_count[5m])) > 1)
"""


def kinds(expression: str, for_s: float = 120) -> set[str]:
    return {one.kind for one in lint.judge(Rule(name="A", expression=expression, for_s=for_s))}


def test_the_runbooks_own_query():
    assert kinds(SEED.expression, 300) == {
        "rate_of_sum", "blind_to_hang", "not_pooled", "mean_hides_tail", "no_traffic_guard", "late",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "for_s", "kind", "present"),
    [
        (GOOD, 120, "rate_of_sum", False),
        (GOOD, 0, "no_for", True),
        (GOOD, 120, "not_pooled", False),
        (GOOD.replace("sum by (job) (rate(x_duration_seconds_c", "sum by (pod) (rate(x_duration_seconds_c"), 120,
         "label_mismatch", True),
        (GOOD.replace("_sum[", '_sum{a="b"}['), 120, "label_mismatch", True),
        (GOOD, 120, "label_mismatch", False),
        ("histogram_quantile(0.99, sum by (job) (rate(x_duration_seconds_bucket[5m]))) > 1", 120, "le_lost", True),
        ("histogram_quantile(0.99, sum(rate(x_duration_seconds_bucket[5m])) by (le)) > 1", 120, "le_lost", False),
        ("avg(rate(x_duration_seconds_sum[5m]) / rate(x_duration_seconds_count[5m])) > 1", 120,
         "average_of_averages", True),
        ("x_duration_seconds_sum / x_duration_seconds_count > 1", 120, "no_rate", True),
        (GOOD.replace("5m", "1m"), 120, "window_too_short", True),
        (GOOD.replace("_seconds", "_milliseconds"), 120, "unit", True),
        ("rate(http_requests_total[5m]) > 1", 0, "no_for", False),
    ],
)  # fmt: skip
def test_each_fault(expression, for_s, kind, present):
    assert (kind in kinds(expression, for_s)) is present


def test_nothing_is_wrong_with_what_it_wrote():
    rules = read(corrected.rule_file([corrected.wanted(SEED)]))
    judged = lint.judge_all(rules)
    assert [faults for _, faults in judged] == [(), (), ()]
    assert {one.kind for one in lint.judge(rules[0])} == {"mean_hides_tail", "blind_to_hang"}, "alone it is not enough"


def test_strings_are_no_functions_and_manifests_are_read():
    text = yaml.safe_dump(
        {"kind": "PrometheusRule", "spec": {"groups": [{"name": "g", "rules": [
            {"alert": "A", "expr": 'rate(a_duration_seconds_sum{x="sum by (le) / rate("}[5m]) > 2', "for": "1m30s"}]}]}}
    )  # fmt: skip
    (rule,) = on_latency(read(text))
    assert (rule.for_s, rule.limit, rule.timed[0].matchers[0].value) == (90, 2, "sum by (le) / rate(")
    assert "rate_of_sum" in {one.kind for one in lint.judge(rule)}


@pytest.mark.parametrize("text", ["", "a: [", "[]", "groups: 3", "&a [*a]"])
def test_what_is_no_rule_file(text):
    if not text:
        assert read(text) == ()
        return
    with pytest.raises(BadInput):
        read(text)


def test_durations():
    assert [seconds(one) for one in ("5m", "1h30m", 20, "0")] == [300, 5400, 20, 0]
    with pytest.raises(BadInput):
        seconds("soon")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (Debian: prometheus)")
@pytest.mark.parametrize(
    ("expression", "in_flight"),
    [
        (SEED.expression, ""),
        (SEED.expression, "http_requests_in_flight"),
        ('rate(istio_request_duration_milliseconds_sum{app=~"a|b.*",code!="500"}[5m]) > 1', ""),
        ('rate(a_duration_seconds_sum{path="quo\\"te"}[5m]) > 0.25', ""),
    ],
)
def test_promtool_takes_the_rules_and_their_tests(tmp_path, expression, in_flight):
    meant = [corrected.wanted(Rule(name="Slow", expression=expression), ("job",), in_flight)]
    (tmp_path / "r.yaml").write_text(corrected.rule_file(meant))
    (tmp_path / "t.yaml").write_text(corrected.test_file(meant, "r.yaml"))
    told = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "t.yaml")], capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, told.stdout + told.stderr
    wrong = (tmp_path / "r.yaml").read_text().replace("0.99", "0.5")
    (tmp_path / "r.yaml").write_text(wrong)
    told = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "t.yaml")], capture_output=True, text=True, timeout=60
    )
    assert told.returncode != 0


def test_a_firing_needs_its_for_and_ends_at_a_gap():
    class Store:
        def range(self, *_):
            from unslow.collect.prometheus_api import Result

            times = [0, 30, 60, 90, 300, 330]
            return [Result(metric={"job": "a"}, values=[(float(at), "2") for at in times])]

    (one,) = backtest.firings(Store(), "x", 60, 0, 600, 30)
    assert (one.start_s, one.end_s) == (60, 90)
    assert backtest.verdict((one,), None, 600).startswith("FALSE")
    assert backtest.verdict((one,), 30, 600) == "right: after 0.5 min"
    assert backtest.verdict((), 30, 600) == "MISSED"
