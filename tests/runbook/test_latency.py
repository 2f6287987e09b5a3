"""What is said of an alert rule, and how a group is drawn."""

from __future__ import annotations

from unslow.alerts.rules import Rule
from unslow.collect.prom_assess import Assessed
from unslow.runbook.latency import drawn, judged


def test_a_rule_is_told_its_gravest_fault_and_that_there_are_more() -> None:
    query = 'sum by (service) (rate(http_request_duration_seconds_sum{namespace="x"}[5m])) > 1'
    (told,) = judged([Rule(name="A", expression=query)])
    assert "It grows with traffic" in told
    assert "more: unslow alerts lint" in told


def test_rules_that_complete_each_other_are_left_alone() -> None:
    enough = "and sum by (job) (increase(d_seconds_count[5m])) > 100"
    mean = "sum by (job) (rate(d_seconds_sum[5m])) / sum by (job) (rate(d_seconds_count[5m])) > 1"
    tail = "histogram_quantile(0.99, sum by (job, le) (rate(d_seconds_bucket[5m]))) > 1"
    silent = (
        "sum by (job) (rate(d_seconds_count[5m] offset 1h)) > 0 unless sum by (job) (rate(d_seconds_count[5m])) > 0"
    )
    rules = [Rule(name=name, expression=text, for_s=120) for name, text in
             (("M", f"{mean} {enough}"), ("T", f"{tail} {enough}"), ("S", silent))]  # fmt: skip
    assert [one for one in judged(rules) if "'S'" not in one] == []


def test_a_quantile_beyond_the_last_bucket_is_marked() -> None:
    one = Assessed(group="a", mean=0.5, quantiles=(0.1, None, 10.0), per_s=2.0, capped=True)
    head, row = drawn([one], "SERVICE", 1e3)
    assert head.split() == ["SERVICE", "MEAN", "P50", "P95", "P99", "PER", "SECOND"]
    assert row.split() == ["a", "500", "100", "-", ">10000", "2.00"]
