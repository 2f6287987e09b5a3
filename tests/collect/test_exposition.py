"""The text format: what is valid comes through unchanged, what is not is left out without a fuss."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from unslow.collect.exposition import parse

VALUES = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(st.text(max_size=20), VALUES), max_size=5, unique_by=lambda pair: pair[0]))
def test_what_the_client_writes_is_what_is_read(labelled: list[tuple[str, float]]) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("things", 'help "quoted"\nand broken', ["name"], registry=registry)
    for label, value in labelled:
        gauge.labels(label.replace("\r", "")).set(value)
    page = parse(generate_latest(registry).decode())
    expected = {(("name", label.replace("\r", "")),): value for label, value in labelled}
    assert {labels: value for (name, labels), value in page.samples.items() if name == "things"} == expected
    assert page.types["things"] == "gauge"


def test_openmetrics_with_exemplars() -> None:
    registry = CollectorRegistry()
    timer = Histogram("request_seconds", "x", ["route"], buckets=[0.1, 1.0], unit="seconds", registry=registry)
    timer.labels("/a").observe(0.5, {"trace_id": "abc"})
    text = generate_openmetrics(registry).decode()
    assert " # {" in text
    page = parse(text)
    assert page.samples["request_seconds_bucket", (("le", "1.0"), ("route", "/a"))] == 1.0
    assert page.samples["request_seconds_sum", (("route", "/a"),)] == 0.5
    assert page.units["request_seconds"] == "seconds"


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        ("a 1", ("a", (), 1.0)),
        ("a{} 1.5e3 1395066363000", ("a", (), 1500.0)),
        ('a{b="c",} 1', ("a", (("b", "c"),), 1.0)),
        ('a { b = "c" , d="e" } 1', ("a", (("b", "c"), ("d", "e")), 1.0)),
        (r'a{b="\"}\\ \n{"} 1', ("a", (("b", '"}\\ \n{'),), 1.0)),
        ('{"my.metric", b="c"} 1', ("my.metric", (("b", "c"),), 1.0)),
        ('{"my.metric"} 1', ("my.metric", (), 1.0)),
        ('a{"b.c"="d"} 1', ("a", (("b.c", "d"),), 1.0)),
        ("a -.5", ("a", (), -0.5)),
    ],
)
def test_one_line(line: str, sample: tuple[str, tuple[tuple[str, str], ...], float]) -> None:
    assert [(name, labels, value) for (name, labels), value in parse(line).samples.items()] == [sample]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "a",
        "a NaN",
        "a +Inf",
        "a 1_000",
        "a one",
        "a 1e999",
        'a{b="c} 1',
        "a{b=c} 1",
        'a{b="c"d="e"} 1',
        '{b="c"} 1',
        "<html>",
        '{"a": {"b": 1}}',
        "5a 1",
    ],
)
def test_lines_that_are_no_sample(line: str) -> None:
    assert parse(f"{line}\nfine 2\n").samples == {("fine", ()): 2.0}


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    assert all(math.isfinite(value) for value in parse(text).samples.values())


@pytest.mark.parametrize("text", ["a{" + '"' * 200_000, 'a{b="' + "\\" * 200_001, "a{" + 'b="",' * 60_000 + "!"])
def test_hostile_lines_do_not_take_longer_than_their_length(text: str) -> None:
    assert parse(text).samples == {}


def test_only_the_metrics_asked_for() -> None:
    text = "a_sum 1\na_count 2\nb 3\nab 4\n"
    assert {name for name, _ in parse(text, ["a_"]).samples} == {"a_sum", "a_count"}
