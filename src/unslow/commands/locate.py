"""Which service is at fault, from files: who calls whom, and series per node."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unslow.commands import EXIT_CAUSES, EXIT_HEALTHY, Commands, command
from unslow.errors import BadInput, BadUsage

if TYPE_CHECKING:
    from unslow.measure.locate import Ranking
    from unslow.measure.locate_spans import ServiceExcess
    from unslow.report.locate_report import SeriesScore

METRICS = ("latency", "availability")
LEAST_USUAL = 8
"""Quartiles of fewer steps say little of the usual range."""


def add(commands: Commands) -> None:
    added = command(
        commands,
        "locate",
        run,
        "Rank the services by what they add to a complaint by themselves, from metrics, traces or both.",
        """\
  unslow locate --target shop --graph graph.csv --metrics incident.csv --normal normal.csv
  unslow locate --target shop --graph graph.csv --metrics incident.csv --metric availability
  unslow locate --spans incident.json --normal-spans normal.json         traces alone
  unslow locate --metrics incident.csv --normal normal.csv               nobody knows who calls whom
  unslow locate --target shop --graph g.csv --metrics m.csv --at 2026-03-01T12:05:00Z --json

exit status: 0 nothing unusual, 1 a fault is ranked, 2 bad input""",
    )
    added.add_argument("--target", metavar="NODE", help="the node that was complained about")
    added.add_argument(
        "--graph", type=Path, metavar="CSV", help="square table (row calls column), or caller,callee rows"
    )
    added.add_argument("--metrics", type=Path, metavar="CSV", help="series per node around the complaint")
    added.add_argument("--normal", type=Path, metavar="CSV", help="the same in fault-free times")
    added.add_argument("--metric", choices=METRICS, default="latency", help="what was complained about")
    added.add_argument(
        "--at", metavar="TIME", help="of the complaint (Unix seconds or ISO 8601); default: the second row"
    )
    added.add_argument(
        "--spans", type=Path, metavar="FILE", help="traces of the incident, OTLP, Jaeger, Zipkin or X-Ray"
    )
    added.add_argument("--normal-spans", type=Path, metavar="FILE", help="traces of fault-free times")
    added.add_argument("--top", type=int, default=10, metavar="N", help="nodes to show (default 10)")
    added.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    from unslow.report import locate_report as report

    if not (arguments.metrics or arguments.graph or arguments.spans):
        raise BadUsage("nothing to look at", "give --target, --graph and --metrics, or --spans")
    alone = arguments.metrics and not arguments.graph and not arguments.target
    ranking = _from_metrics(arguments) if (arguments.metrics or arguments.graph) and not alone else None
    services = _from_spans(arguments) if arguments.spans else ()
    answer = report.answer(ranking, services, arguments.metric, _from_series(arguments) if alone else ())
    print(report.to_json(answer) if arguments.json else report.render(answer, arguments.top), end="")
    return EXIT_CAUSES if answer.fault else EXIT_HEALTHY


def _from_metrics(arguments: argparse.Namespace) -> Ranking:
    from unslow.collect.node_series import nodes_of, read_calls, read_series
    from unslow.measure.locate import locate

    missing = [name for name in ("target", "graph", "metrics") if not getattr(arguments, name)]
    if missing:
        raise BadUsage(f"--{missing[0]} is missing", "give --target, --graph and --metrics together")
    series = read_series(arguments.metrics)
    incident = nodes_of(series, arguments.metric)
    if arguments.target not in incident:
        known = ", ".join(sorted(incident)[:8]) or "no node has requests and this metric"
        raise BadInput(f"{arguments.target!r} has no requests and {arguments.metric} in {arguments.metrics}", known)
    before = _steps_before(arguments, series.times_s)
    usual = read_series(arguments.normal) if arguments.normal else None
    normal = nodes_of(usual, arguments.metric) if usual else {}
    # Durations of the calls that a node makes show what its callees' own series cannot.
    waits = (nodes_of(series, "outgoing"), nodes_of(usual, "outgoing") if usual else {})
    return locate(
        arguments.target,
        read_calls(arguments.graph),
        incident,
        normal,
        before,
        failures=arguments.metric != "latency",
        outgoing=waits if arguments.metric == "latency" else ({}, {}),
    )


def _from_series(arguments: argparse.Namespace) -> list[SeriesScore]:
    """Without a graph: all series by how far they leave their usual range."""
    import numpy as np

    from unslow.collect.node_series import read_series
    from unslow.measure.locate_series import order, scores
    from unslow.report.locate_report import SeriesScore

    now = read_series(arguments.metrics)
    before = _steps_before(arguments, now.times_s)
    usual = read_series(arguments.normal) if arguments.normal else None
    if len(usual.times_s if usual else now.times_s[:before]) < LEAST_USUAL:
        raise BadUsage(
            f"without --graph at least {LEAST_USUAL} usual time steps are needed",
            "give --normal, or --at with as many rows before it, or --target and --graph",
        )
    columns = [one for one in sorted(now.columns) if usual is None or one in usual.columns]
    past, after = (
        np.array([values[one] for one in columns], dtype=np.float64).reshape(len(columns), -1)
        for values in (
            usual.columns if usual else {one: now.columns[one][:before] for one in columns},
            {one: now.columns[one][before:] for one in columns},
        )
    )
    found = scores(past, after)
    return [
        SeriesScore(node=node, metric=metric, statistic=statistic, score=float(found[at]))
        for at in order(found)
        for node, metric, statistic in (columns[at],)
    ]


def _steps_before(arguments: argparse.Namespace, times_s: Sequence[float]) -> int:
    from unslow.collect.node_series import moment

    if not arguments.at:
        return 1
    at = moment(arguments.at)
    if at is None:
        raise BadUsage(f"--at {arguments.at!r} is no time", "give Unix seconds or 2026-03-01T12:05:00Z")
    # Rows are named by their start; the last one that starts before the complaint's own is the time before.
    return max(1, sum(time <= at for time in times_s) - 1)


def _from_spans(arguments: argparse.Namespace) -> tuple[ServiceExcess, ...]:
    from unslow.collect.spans import read_spans
    from unslow.measure.locate_spans import locate_spans

    if not arguments.normal_spans:
        raise BadUsage("--spans needs --normal-spans", "self times say nothing of a change without usual ones")
    return locate_spans(read_spans(arguments.normal_spans).spans, read_spans(arguments.spans).spans)
