from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unslow.cli import main
from unslow.collect import jaeger_paths
from unslow.collect.jaeger_paths import path_totals
from unslow.collect.spans import read_spans
from unslow.errors import BadInput
from unslow.measure.path_totals import PathTotals
from unslow.measure.tree_totals import tree_totals

T0 = 1_700_000_000_000_000


def span(id: str, parent: str | None, start: int, duration: int, **more: object) -> dict[str, object]:
    return {
        "traceID": "t1",
        "spanID": id,
        "operationName": f"op-{id[:1]}",
        "references": [{"refType": "CHILD_OF", "traceID": "t1", "spanID": parent}] if parent else [],
        "startTime": T0 + start,
        "duration": duration,
        "tags": [],
        "processID": "p1",
        **more,
    }


def file_of(folder: Path, *traces: list[dict[str, object]]) -> Path:
    path = folder / "traces.json"
    processes = {"p1": {"serviceName": "shop"}, "p2": {"serviceName": "bank"}}
    data = [{"traceID": one[0]["traceID"] if one else "", "spans": one, "processes": processes} for one in traces]
    path.write_text(json.dumps({"data": data}))
    return path


def by_trees(path: Path) -> PathTotals:
    file = read_spans(path)
    totals = tree_totals(file.spans)
    counts = dict(totals.excluded)
    for reason, count in file.excluded:
        counts[reason] = counts.get(reason, 0) + count
    return PathTotals(
        traces=totals.traces,
        spans=totals.spans,
        own_ns=totals.own_ns,
        excluded=tuple(sorted(counts.items())),
        repaired=totals.repaired,
    )


def test_a_whole_trace(tmp_path):
    path = file_of(tmp_path, [span("a", None, 0, 100), span("b", "a", 10, 30), span("c", "a", 50, 90)])
    totals = path_totals(path)
    assert totals.own_ns == {("shop", "op-a"): 20_000, ("shop", "op-b"): 30_000, ("shop", "op-c"): 50_000}
    assert (totals.traces, totals.spans, totals.excluded) == (1, 3, ())


@pytest.mark.parametrize(
    "damage",
    [
        span("b", "nobody", 10, 30),
        span("a", None, 0, 50),
        span("b", "b", 10, 30),
        span("b", "a", 10, -30),
        span("b", "a", 10, 30, startTime="soon"),
        span("b", "a", 10, 30, startTime=7),
        span("b", None, 10, 30),
        span("b", "a", 10, 30, processID="p9"),
        span("b", "a", 10, 30, parentSpanID="a", references=None),
        span("b", "a", 10, 30, operationName=""),
        span("b", "a", 10, 30, operationName="x" * 300 + "\n"),
        span("b", "a", 10, 30, references=[{"refType": "FOLLOWS_FROM", "traceID": "t9", "spanID": "a"}] * 2),
        span("", "a", 10, 30),
    ],
)
def test_damage_is_treated_as_everywhere(tmp_path, damage):
    whole = [one | {"traceID": "t2"} for one in (span("a", None, 0, 100), span("c", "a", 20, 60))]
    whole[1]["references"] = [{"refType": "CHILD_OF", "traceID": "t2", "spanID": "a"}]
    path = file_of(tmp_path, whole, [span("a", None, 0, 100), damage, span("c", "a", 60, 20)])
    assert same(path_totals(path), by_trees(path))


def same(one: PathTotals, other: PathTotals) -> bool:
    """Cut children are not counted on the short way, so `repaired` may differ."""
    return (
        (one.traces, one.spans, one.excluded) == (other.traces, other.spans, other.excluded)
        and {key: ns for key, ns in one.own_ns.items() if ns} == {key: ns for key, ns in other.own_ns.items() if ns}
    )  # fmt: skip


def test_parts_of_one_trace_are_put_together(tmp_path):
    path = file_of(tmp_path, [span("a", None, 0, 100)], [span("b", "a", 10, 30)])
    assert path_totals(path).own_ns == {("shop", "op-a"): 70_000, ("shop", "op-b"): 30_000}


def test_nobody_waits_for_a_consumer(tmp_path):
    kind = [[{"key": "span.kind", "value": value}] for value in ("producer", "consumer")]
    path = file_of(
        tmp_path, [span("a", None, 0, 100), span("b", "a", 10, 80, tags=kind[0]), span("c", "b", 20, 60, tags=kind[1])]
    )
    assert path_totals(path).own_ns == {("shop", "op-a"): 20_000, ("shop", "op-b"): 80_000}


def test_a_cycle_beside_the_root_is_counted(tmp_path):
    path = file_of(tmp_path, [span("b", "c", 1, 2), span("c", "b", 1, 2), span("a", None, 0, 100)])
    assert path_totals(path).excluded == (("cycle of parents", 2),)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_long_file_is_read_in_parts(tmp_path, monkeypatch, separators):
    monkeypatch.setattr(jaeger_paths, "CHUNK", 700)
    traces = []
    for number in range(50):
        spans = [one | {"traceID": f"t{number}"} for one in (span("a", None, 0, 100), span("b", "a", 10, number + 1))]
        spans[1]["references"] = [
            {"refType": "CHILD_OF", "traceID": f"t{number}", "spanID": "a" if number % 7 else "x"}
        ]
        traces.append({"traceID": f"t{number}", "spans": spans, "processes": {"p1": {"serviceName": "shop"}}})
    path = tmp_path / "traces.json"
    path.write_text(json.dumps({"data": traces, "total": 50, "errors": None}, separators=separators))
    assert path_totals(path) == by_trees(path)
    path.write_text(path.read_text()[:-300])
    with pytest.raises(BadInput):
        path_totals(path)


def test_another_format_goes_the_long_way(tmp_path):
    path = tmp_path / "zipkin.json"
    path.write_text(json.dumps([{"traceId": "1", "id": "1", "name": "x", "timestamp": T0, "duration": 5}]))
    assert path_totals(path).own_ns == {("unknown", "x"): 5_000}


@pytest.mark.parametrize("content", ["", "{", '{"data": []}', '{"data": 7}', "\x00" * 40])
def test_what_is_no_trace_file_is_refused_in_words(tmp_path, content):
    path = tmp_path / "bad"
    path.write_text(content)
    with pytest.raises(BadInput):
        path_totals(path)


@st.composite
def damaged_traces(draw: st.DrawFn) -> list[dict[str, object]]:
    """Mostly whole; ids repeat, parents are missing or later, times are anything now and then."""
    spans = []
    for at in range(draw(st.integers(1, 12))):
        parent = None if at == 0 else str(draw(st.integers(0, at if draw(st.booleans()) else at - 1)))
        number = at if draw(st.integers(0, 30)) else draw(st.integers(0, 12))
        duration = draw(st.integers(0, 40)) if draw(st.integers(0, 30)) else -5
        spans.append(
            span(str(number), parent, draw(st.integers(0, 40)), duration, processID=draw(st.sampled_from(["p1", "p2"])))
        )
    if draw(st.booleans()):
        spans.reverse()
    return spans


@settings(max_examples=400, deadline=None)
@given(damaged_traces())
@example([span("0", None, 0, 10), span("1", "0", 5, 5), span("2", "0", 0, 5)])
def test_both_ways_give_the_same_answer(tmp_path_factory, spans):
    path = file_of(tmp_path_factory.mktemp("jaeger"), spans)
    try:
        expected = by_trees(path)
    except BadInput:
        return  # not one usable span; the other way says the same in its own words
    assert same(path_totals(path), expected)


def test_the_command_tells_them(tmp_path, capsys):
    path = file_of(tmp_path, [span("a", None, 0, 100), span("b", "a", 10, 30)])
    assert main(["spans", str(path), "--critical-path", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["operations"][0] == {
        "service": "shop",
        "name": "op-a",
        "critical_ns": 70_000,
    }
    assert main(["spans", str(path), "--critical-path", "--service", "shop"]) == 2
    assert "whole file" in capsys.readouterr().err
