"""The slow statements of a log file."""

from __future__ import annotations

import argparse
from pathlib import Path

from unslow.commands import EXIT_HEALTHY, Commands, command


def add(commands: Commands) -> None:
    added = command(
        commands,
        "slow-log",
        run,
        "Sum up the slow statements of a log file, by shape.",
        """\
  unslow slow-log /var/log/postgresql/postgresql-15-main.log
  unslow slow-log app.log --json""",
    )
    added.add_argument("file", type=Path)
    added.add_argument("--top", type=int, default=20, metavar="N", help="shapes to show (default 20)")
    added.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    from unslow.collect import slow_logs
    from unslow.report import slow_log

    summary = slow_logs.summarise(arguments.file)
    print(slow_log.to_json(summary) if arguments.json else slow_log.render(summary, arguments.top), end="")
    return EXIT_HEALTHY
