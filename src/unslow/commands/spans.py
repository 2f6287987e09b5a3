"""The table of operations of recorded traces."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from unslow.commands import EXIT_HEALTHY, Commands, command, seconds
from unslow.errors import BadUsage

if TYPE_CHECKING:
    from unslow.spans.analysis import Wanted


def add(commands: Commands) -> None:
    added = command(
        commands,
        "spans",
        run,
        "Sum up traces by operation: calls, percentiles, self time, time on the critical path.",
        """\
  unslow spans traces.json                           OTLP, Jaeger, Zipkin or X-Ray; gzip too
  unslow spans spans.parquet --service cart          requests into one service
  unslow spans http://127.0.0.1:16686 --service cart --slow-than 1s
  unslow spans clickhouse://reader@db:8123/otel      the collector's table otel_traces
  unslow spans spark://master:7077/shared/spans.parquet
  unslow spans traces.json --critical-path           only that, as fast as the file can be read
  unslow spans traces.json --html traces.html        the services, and a typical and a slow request
  unslow spans spans.csv --columns trace_id=TraceID,span_id=SpanID,service=Pod,name=Op,start_ns=Begin,end_ns=End""",
    )
    added.add_argument(
        "source", metavar="FILE_OR_URL", help="file, folder of Parquet, http(s)://, clickhouse:// or spark://"
    )
    added.add_argument("--service", metavar="NAME", help="only requests into this service, from where they enter it")
    added.add_argument("--slow-than", type=seconds, metavar="TIME", help="only requests that took at least so long")
    added.add_argument(
        "--critical-path",
        action="store_true",
        help="only the time on the critical path by operation, clocks as reported; plain Jaeger JSON of any length "
        "is summed up while it is read",
    )
    added.add_argument("--columns", metavar="MAP", help="columns of a CSV or Parquet file: trace_id=TraceID,...")
    added.add_argument(
        "--sample", type=_share, default=1.0, metavar="SHARE", help="look at this share of the traces, e.g. 0.1"
    )
    added.add_argument("--top", type=int, default=20, metavar="N", help="operations to show (default 20)")
    added.add_argument("--save", type=Path, metavar="FILE", help="also keep the spans as Parquet")
    added.add_argument("--html", type=Path, metavar="FILE", help="also draw the services and two requests as a page")
    added.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    if arguments.critical_path:
        return _critical_path(arguments)
    from unslow.collect import span_columns, span_sources
    from unslow.report import span_report
    from unslow.spans.analysis import Wanted

    wanted = Wanted(
        service=arguments.service,
        slower_than_ns=round((arguments.slow_than or 0) * 1e9),
        sampled=arguments.sample,
    )
    columns = span_columns.parsed(arguments.columns) if arguments.columns else None
    if arguments.html and arguments.source.startswith(("clickhouse://", "spark://")):
        raise BadUsage("--html draws files and query APIs only", "export some traces as Parquet and draw that file")
    with tempfile.TemporaryDirectory(prefix="unslow-spans-") as folder:
        kept = arguments.save or (Path(folder) / "spans.parquet" if arguments.html else None)
        found = span_sources.report(arguments.source, wanted, columns=columns, save=kept)
        if arguments.html and kept:
            _draw(arguments, wanted, kept)
    print(span_report.to_json(found) if arguments.json else span_report.render(found, arguments.top), end="")
    return EXIT_HEALTHY


def _critical_path(arguments: argparse.Namespace) -> int:
    from unslow.collect.jaeger_paths import path_totals
    from unslow.report import path_report

    if "://" in arguments.source or arguments.service or arguments.slow_than or arguments.html or arguments.save:
        raise BadUsage("--critical-path sums up a whole file", "leave out the other options, and give a file")
    totals = path_totals(Path(arguments.source))
    print(path_report.to_json(totals) if arguments.json else path_report.render(totals, arguments.top), end="")
    return EXIT_HEALTHY


def _draw(arguments: argparse.Namespace, wanted: Wanted, kept: Path) -> None:
    from unslow.collect.span_sample import sample
    from unslow.report import traces_page

    summed, share = sample(kept, wanted.service, wanted.slower_than_ns)
    note = "" if share == 1 else f"a sample of {share:.1%} of the traces"
    arguments.html.write_text(traces_page.render(summed, arguments.source, note), "utf-8")


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; say 0.1") from None
    if not 0.0001 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} must lie between 0.0001 and 1")
    return value
