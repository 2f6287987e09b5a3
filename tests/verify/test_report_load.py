"""What is printed of a load test: every number with its unit, nothing that was not measured."""

from __future__ import annotations

import json

import msgspec

from unslow.verify.histogram import Quantile
from unslow.verify.load import Progress
from unslow.verify.load_result import Lateness, LoadResult, Second
from unslow.verify.plan import Plan
from unslow.verify.report_load import progress_line, render_text, to_json

RESULT = LoadResult(
    url="http://127.0.0.1:8000/things",
    method="GET",
    arrivals="uniform",
    started="2026-01-02T03:04:05.678Z",
    asked_per_s=100.0,
    achieved_per_s=100.02,
    planned_s=60.0,
    timeout_s=10.0,
    due=6000,
    n=6000,
    mean_s=0.0123,
    max_s=0.25,
    percentiles=(
        Quantile(ratio=0.5, value_s=0.01, low_s=0.0098, high_s=0.0102),
        Quantile(ratio=0.999, value_s=0.2, low_s=0.15, high_s=0.25),
    ),
    statuses=((200, 5990), (503, 10)),
    errors=(("status 503", 10),),
    unfinished=0,
    lateness=Lateness(p50_s=0.00005, p99_s=0.0002, max_s=0.001),
    connections_opened=12,
    connections_at_once=7,
    reconnects=3,
    held_back=2,
    received_bytes=123456,
    own_cpu_ratio=0.034,
    blocks=(Second(at_s=0.0, p50_s=0.01, p99_s=0.02), Second(at_s=1.0, p50_s=None, p99_s=None)),
    stopped="",
    verdict="kept up",
    because="it completed what came in; p99 20.0 ms",
)


def test_text() -> None:
    text = render_text(RESULT)
    assert "kept up: it completed what came in" in text
    assert "100.02 sent a second" in text
    assert "p50      10.00   9.80 to 10.20" in text
    assert "p99.9     200.00   150.00 to 250.00" in text
    assert "n = 6,000" in text
    assert "10 status 503" in text
    assert "3 requests sent again" in text
    assert "2 requests waited" in text
    assert "p50 0.05, p99 0.20, max 1.00 ms; 0.03 of a core" in text
    assert text.endswith("\n")
    assert "stopped" not in text


def test_text_of_a_test_that_was_stopped_before_any_answer() -> None:
    lateness = Lateness(p50_s=None, p99_s=None, max_s=0.0)
    nothing = msgspec.structs.replace(
        RESULT, n=0, due=3, percentiles=(), statuses=(), errors=(), blocks=(), unfinished=3, stopped="interrupted",
        lateness=lateness,
    )  # fmt: skip
    text = render_text(nothing)
    assert "stopped early: interrupted; 3 requests were still under way" in text
    assert "no answers, so no response times" in text
    assert json.loads(to_json(nothing))["mean_ms"] is None


def test_json_is_in_ms_and_says_its_schema() -> None:
    document = json.loads(to_json(RESULT))
    assert document["schema"] == "unslow.loadtest/1"
    assert document["percentiles"][0] == {"percentile": 50.0, "ms": 10.0, "interval_ms": [9.8, 10.2]}
    assert document["percentiles"][1]["percentile"] == 99.9
    assert document["errors"] == {"status 503": 10}
    assert document["statuses"] == {"200": 5990, "503": 10}
    assert document["lateness"] == {"p50_ms": 0.05, "p99_ms": 0.2, "max_ms": 1.0}
    assert document["blocks"][1] == {"at_s": 1.0, "p50_ms": None, "p99_ms": None}


def test_progress_line() -> None:
    plan = Plan(url=RESULT.url, rate_per_s=100, duration_s=60)
    state = Progress(elapsed_s=3.01, due=301, answered=290, failed=1, in_flight=10, p99_s=0.0214)
    line = progress_line(plan, state)
    assert line == "3 of 60 s: 301 due, 290 answered, 1 errors, 10 in flight, p99 now 21.4 ms"
    assert "p99" not in progress_line(plan, msgspec.structs.replace(state, p99_s=None))
