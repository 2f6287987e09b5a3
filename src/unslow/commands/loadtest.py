"""Open-loop load."""

from __future__ import annotations

import argparse

from unslow.commands import EXIT_HEALTHY, Commands, command, progress, seconds
from unslow.commands.sources import headers_of


def add(commands: Commands) -> None:
    added = command(
        commands,
        "loadtest",
        run,
        "Send requests at a fixed rate, whether or not answers come, and time each from the moment it was due.",
        """\
  unslow loadtest http://127.0.0.1:8000/items --rate 100 --duration 60s
  unslow loadtest URL --rate 20 --arrivals poisson --json""",
    )
    added.add_argument("target", metavar="URL", help="this machine or a private network, unless --allow-host names it")
    added.add_argument("--rate", type=float, required=True, metavar="N", help="requests a second")
    added.add_argument("--duration", type=seconds, default=10.0, metavar="TIME", help="e.g. 60s (default 10s)")
    added.add_argument("--arrivals", choices=("uniform", "poisson"), default="uniform", help="spacing of the requests")
    added.add_argument(
        "--timeout", type=seconds, default=10.0, metavar="TIME", help="an answer later than this is an error"
    )
    added.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'")
    added.add_argument("--method", default="GET")
    added.add_argument(
        "--allow-host", action="append", default=[], metavar="HOST", help="a public host that may be loaded"
    )
    added.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    from unslow.verify import load, report_load

    result = load.loadtest(
        arguments.target,
        rate=arguments.rate,
        duration_s=arguments.duration,
        arrivals=arguments.arrivals,
        timeout_s=arguments.timeout,
        headers=headers_of(arguments.header),
        method=arguments.method,
        allow_hosts=tuple(arguments.allow_host),
        progress=progress(arguments),
    )
    print(report_load.to_json(result) if arguments.json else report_load.render_text(result), end="")
    return EXIT_HEALTHY
