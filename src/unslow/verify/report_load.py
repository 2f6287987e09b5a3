"""A load test's result as text for a terminal and as JSON."""

from __future__ import annotations

import json
from typing import Any

from unslow.verify.load import Progress
from unslow.verify.load_result import LoadResult
from unslow.verify.plan import Plan

SCHEMA = "unslow.loadtest/1"
BARS = "▁▂▃▄▅▆▇█"
WIDEST = 100


def render_text(result: LoadResult) -> str:
    """A page of text that ends with a newline; times in ms."""
    lines = [
        f"Load test of {result.url}",
        "",
        f"  {result.verdict}: {result.because}",
        "",
        f"  {result.method} at {result.asked_per_s:g} requests/s for {result.planned_s:g} s, "
        f"{result.arrivals} arrivals: {result.due:,} were due, {result.achieved_per_s:,.2f} sent a second",
    ]
    if result.stopped:
        lines.append(f"  stopped early: {result.stopped}; {result.unfinished:,} requests were still under way")
    lines += ["", *_times(result), "", *_facts(result)]
    return "\n".join(lines) + "\n"


def to_json(result: LoadResult) -> str:
    """One JSON document (schema `unslow.loadtest/1`) that ends with a newline; times in ms."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "url": result.url,
        "method": result.method,
        "arrivals": result.arrivals,
        "started": result.started,
        "verdict": result.verdict,
        "because": result.because,
        "stopped": result.stopped,
        "asked_per_s": result.asked_per_s,
        "achieved_per_s": result.achieved_per_s,
        "planned_s": result.planned_s,
        "timeout_ms": _ms(result.timeout_s),
        "due": result.due,
        "n": result.n,
        "unfinished": result.unfinished,
        "mean_ms": _ms(result.mean_s) if result.n else None,
        "max_ms": _ms(result.max_s) if result.n else None,
        "percentiles": [
            {
                "percentile": round(one.ratio * 100, 3),
                "ms": _ms(one.value_s),
                "interval_ms": [_ms(one.low_s), _ms(one.high_s)],
            }
            for one in result.percentiles
        ],
        "statuses": {str(status): count for status, count in result.statuses},
        "errors": dict(result.errors),
        "lateness": {
            "p50_ms": _ms(result.lateness.p50_s),
            "p99_ms": _ms(result.lateness.p99_s),
            "max_ms": _ms(result.lateness.max_s),
        },
        "connections": {
            "opened": result.connections_opened,
            "at_once": result.connections_at_once,
            "reconnects": result.reconnects,
            "held_back": result.held_back,
        },
        "received_bytes": result.received_bytes,
        "own_cpu_ratio": round(result.own_cpu_ratio, 4),
        "blocks": [
            {"at_s": block.at_s, "p50_ms": _ms(block.p50_s), "p99_ms": _ms(block.p99_s)} for block in result.blocks
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def progress_line(plan: Plan, state: Progress) -> str:
    """One line for a running test."""
    p99 = "" if state.p99_s is None else f", p99 now {state.p99_s * 1e3:.1f} ms"
    return (
        f"{state.elapsed_s:.0f} of {plan.duration_s:g} s: {state.due:,} due, {state.answered:,} answered, "
        f"{state.failed:,} errors, {state.in_flight} in flight{p99}"
    )


def _times(result: LoadResult) -> list[str]:
    if not result.n:
        return ["  no answers, so no response times"]
    rows = [
        (f"p{one.ratio * 100:g}", one.value_s, f"   {one.low_s * 1e3:.2f} to {one.high_s * 1e3:.2f}")
        for one in result.percentiles
    ]
    rows += [("max", result.max_s, ""), ("mean", result.mean_s, "")]
    lines = [f"  ms from the moment each request was due, n = {result.n:,}, and the 95 % interval:", ""]
    lines += [f"  {name:>6} {seconds * 1e3:>10.2f}{interval}" for name, seconds, interval in rows]
    chart = _chart([block.p99_s for block in result.blocks])
    return [*lines, "", f"  p99 over time, 0 to {_peak_ms(result):.1f} ms:  {chart}"] if len(chart) > 1 else lines


def _facts(result: LoadResult) -> list[str]:
    late = result.lateness
    statuses = ", ".join(f"{count:,} with status {status}" for status, count in result.statuses) or "none"
    errors = ", ".join(f"{count:,} {kind}" for kind, count in result.errors) or "none"
    opened = f"{result.connections_opened:,} opened, {result.connections_at_once:,} at once"
    if result.reconnects:
        opened += f"; {result.reconnects:,} requests sent again because the server had just closed the connection"
    if result.held_back:
        opened += f"; {result.held_back:,} requests waited for one of them, which counts"
    own = ", ".join(
        f"{name} {seconds * 1e3:.2f}"
        for name, seconds in (("p50", late.p50_s), ("p99", late.p99_s), ("max", late.max_s))
        if seconds is not None
    )
    return [
        f"  answers      {statuses}",
        f"  errors       {errors}",
        f"  connections  {opened}",
        f"  ourselves    sent late by {own} ms; {result.own_cpu_ratio:.2f} of a core",
    ]


def _chart(values: list[float | None]) -> str:
    peak = max((value for value in values if value is not None), default=0.0)
    if peak <= 0:
        return ""
    return "".join(
        " " if value is None else BARS[min(len(BARS) - 1, int(value / peak * len(BARS)))] for value in values[:WIDEST]
    )


def _peak_ms(result: LoadResult) -> float:
    return max(block.p99_s or 0.0 for block in result.blocks) * 1e3


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 4)
