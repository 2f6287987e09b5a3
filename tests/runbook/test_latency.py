"""The step as a whole on a real Prometheus, what is said of an alert rule, and how a group is drawn."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.collect.real_prometheus import PROTOBUF, native, page, prometheus
from unslow.alerts.rules import Rule
from unslow.collect.prom_assess import Assessed
from unslow.collect.prom_login import Login
from unslow.runbook.latency import before, drawn, in_words, judged, run


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


def classic(n: int) -> bytes:
    """Each second 9 requests below 0.1 s and one beyond the last finite edge."""
    labels = 'namespace="shop",service="web",handler="/a",pod="web-1"'
    counts = {"0.1": 9 * n, "1": 9 * n, "+Inf": 10 * n}
    lines = [f'http_request_duration_seconds_bucket{{{labels},le="{le}"}} {count}' for le, count in counts.items()]
    lines += [f"http_request_duration_seconds_{part}{{{labels}}} {10 * n}" for part in ("count", "sum")]
    return ("# TYPE http_request_duration_seconds histogram\n" + "\n".join(lines) + "\n").encode()


def native_page(n: int) -> bytes:
    labels = {"namespace": "shop", "service": "web", "handler": "/a", "pod": "web-1"}
    return native("http_request_duration_seconds", labels, 10 * n, 10.0 * n, -3, [9 * n, 0, 0, 0, 0, n])


@pytest.mark.parametrize(
    ("made", "content_type", "flags", "words"),
    [
        (classic, "text/plain; version=0.0.4", (), ["http_request_duration_seconds,", ">1000"]),
        (native_page, PROTOBUF, ("--enable-feature=native-histograms",), ["(native histogram)"]),
    ],
)
def test_the_step_on_a_real_server(
    tmp_path: Path, made: Callable[[int], bytes], content_type: str, flags: tuple[str, ...], words: list[str]
) -> None:
    begun = time.monotonic()
    rules = {
        "groups": [
            {"name": "g", "rules": [{"alert": "Slow", "expr": "rate(http_request_duration_seconds_sum[5m]) > 1"}]}
        ]
    }
    (tmp_path / "rules.yml").write_text(json.dumps(rules))
    situation: Any = SimpleNamespace(
        client=None,
        namespace="shop",
        kind="StatefulSet",
        name="web",
        evidence=SimpleNamespace(series=None),
        progress=lambda text: None,
        diagnosis=SimpleNamespace(percentiles=None, onset=None),
        options=SimpleNamespace(prometheus="", prometheus_login=Login()),
    )
    with (
        page(lambda: made(int(time.monotonic() - begun) + 1), content_type) as port,
        prometheus(tmp_path, port, *flags, rules=("rules.yml",)) as address,
    ):
        situation.options.prometheus = address
        for _ in range(100):
            outcome = run(situation)
            if outcome.state == "done":
                break
            time.sleep(0.2)
    text = "\n".join(outcome.result)
    assert outcome.gaps == ()
    for word in (*words, "SERVICE", "ROUTE", "POD", "web-1", "/a", "1000"):
        assert word in text
    told = "\n".join(outcome.means)
    assert "Alert 'Slow': rate(..._sum) is the seconds of work" in told
    assert re.search(r"web: 1000 ms on average, \d+\.\d requests a second\.", told)
    assert "No gauge of requests in flight" in told


def told(group: str, mean: float, per_s: float = 1.0) -> Assessed:
    return Assessed(group=group, mean=mean, quantiles=(None, None, None), per_s=per_s)


def test_the_workload_in_words_without_its_probes() -> None:
    routes = [told("/items", 0.2, 3.0), told("/carts", 0.1, 1.0), told("/healthz", 0.001, 50.0)]
    pods = [told("web-1", 0.2), told("web-0", 0.15)]
    first, second = in_words("web", {"ROUTE": routes, "POD": pods}, 1e3)
    assert first == (
        "web: 175 ms on average, 4.0 requests a second, probes left out; its slowest route is /items (200 ms)."
    )
    assert second == "Its 2 pods are alike: 150 to 200 ms."


def test_a_pod_that_is_no_twin_is_named() -> None:
    (*_, last) = in_words("web", {"POD": [told("web-1", 0.9), told("web-0", 0.1)]}, 1e3)
    assert last == "Its pods differ: web-1 takes 900 ms, web-0 100 ms."


@pytest.mark.parametrize(
    ("onset", "kind", "series", "words"),
    [
        ("2026-01-01T10:00:00.123Z", "before", object(), "Before 2026-01-01 10:00:00 UTC /a took 20 ms on average; in"),
        (None, "none", object(), "No rise in the last 3 h."),
        (None, "none", None, ""),
    ],
)
def test_what_it_took_before(onset: str | None, kind: str, series: object, words: str) -> None:
    diagnosis = SimpleNamespace(
        onset=onset,
        reference=SimpleNamespace(kind=kind, note="no rise in the last 3 h: the account explains it all"),
        account=SimpleNamespace(before_ms=20.0, now_ms=145.0),
    )
    situation: Any = SimpleNamespace(
        diagnosis=diagnosis, evidence=SimpleNamespace(series=series, target=SimpleNamespace(path="/a"))
    )
    assert "".join(before(situation)).startswith(words)
    assert bool(before(situation)) == bool(words)
