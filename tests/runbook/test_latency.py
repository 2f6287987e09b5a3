"""What is said of an alert rule."""

from __future__ import annotations

from unslow.runbook.latency import judged
from unslow.runbook.monitoring import Rule


def test_a_rate_of_seconds_is_no_latency() -> None:
    told = judged(Rule(name="A", query='rate(http_request_duration_seconds_sum{namespace="x"}[5m]) > 1'))
    assert "grows with traffic" in told[0]


def test_a_ratio_without_a_sum_judges_each_pod_alone() -> None:
    told = judged(Rule(name="A", query="rate(d_sum[5m]) / rate(d_count[5m]) > 1"))
    assert "judged alone" in told[0]


def test_a_pooled_ratio_is_left_alone() -> None:
    assert (
        judged(Rule(name="A", query="sum by (service) (rate(d_sum[5m])) / sum by (service) (rate(d_count[5m])) > 1"))
        == []
    )
