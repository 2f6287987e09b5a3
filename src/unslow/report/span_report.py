"""The report on spans: a table of operations, and what repeats, waits between services or is slow in the tail."""

from __future__ import annotations

import msgspec

from unslow.report.words import ms, plain
from unslow.spans.analysis import SpanReport

NAME = 60
FEW = 5


def render(report: SpanReport, top: int) -> str:
    """Text of about 130 columns, most critical-path time first."""
    lines = [_head(report), ""]
    lines.append(
        f"{'operation':<{NAME}} {'calls':>9} {'p50':>9} {'p95':>9} {'p99':>9} {'self ms':>13} {'critical ms':>13}"
    )
    for one in report.operations[:top]:
        times = " ".join(f"{ms(value / 1e6):>9}" for value in (one.p50_ns, one.p95_ns, one.p99_ns))
        totals = f"{one.self_ns / 1e6:>13,.1f} {one.critical_path_ns / 1e6:>13,.1f}"
        lines.append(f"{_named(one.service, one.name):<{NAME}} {one.calls:>9} {times} {totals}")
    if len(report.operations) > top:
        lines.append(f"... and {len(report.operations) - top} more; --top {len(report.operations)} shows them")
    lines += _tail(report) + _repeated(report) + _gaps(report)
    for title, counts in (("left out", report.excluded), ("mended and kept", report.repaired)):
        if counts:
            lines += ["", f"{title}: " + ", ".join(f"{count:,} x {reason}" for reason, count in counts)]
    return "\n".join(lines) + "\n"


def to_json(report: SpanReport) -> str:
    """One JSON document; times in nanoseconds."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def _head(report: SpanReport) -> str:
    sampled = f", a sample of {report.sampled:.2%} of the traces" if report.sampled < 1 else ""
    return (
        f"{report.spans:,} spans of {report.requests:,} requests in {report.traces:,} traces{sampled}"
        f" ({report.engine}; quantiles to {report.quantile_error:.0%})"
    )


def _named(service: str, name: str) -> str:
    text = plain(f"{service}: {name}")
    return text if len(text) <= NAME else text[: NAME - 1] + "…"


def _tail(report: SpanReport) -> list[str]:
    if not report.tail_requests or not report.typical_requests:
        return []
    rows = sorted(report.operations, key=lambda one: (-one.tail_excess_ns, one.service, one.name, one.kind))[:FEW]
    lines = [
        "",
        f"the slowest {report.tail_requests:,} requests against {report.typical_requests:,} typical ones, per request:",
    ]
    lines += [
        f"  {_named(one.service, one.name):<{NAME}} {ms(one.tail_ns / 1e6):>10} for {ms(one.typical_ns / 1e6)}"
        for one in rows
        if one.tail_excess_ns > 0
    ]
    return lines if len(lines) > 2 else []


def _repeated(report: SpanReport) -> list[str]:
    rows = sorted(report.repeated, key=lambda one: (-one.calls, one.caller_service, one.caller_name))[:FEW]
    if not rows:
        return []
    return ["", "called again and again by one span:"] + [
        f"  {_named(one.service, one.name):<{NAME}} {one.calls / one.callers:.1f} times (at most {one.most})"
        f" in {_named(one.caller_service, one.caller_name)}"
        for one in rows
    ]


def _gaps(report: SpanReport) -> list[str]:
    rows = sorted(report.gaps, key=lambda one: (-one.mean_ns * one.calls, one.client_service, one.server_service))[:FEW]
    if not rows:
        return []
    return ["", "between client and server (network, connecting, queueing):"] + [
        f"  {plain(one.client_service)} -> {_named(one.server_service, one.server_name):<{NAME}} {ms(one.mean_ns / 1e6):>10}"
        f" a call, {one.calls:,} calls"
        for one in rows
    ]
