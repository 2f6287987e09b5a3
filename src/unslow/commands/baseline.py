"""A URL measured while it is well."""

from __future__ import annotations

import argparse
from pathlib import Path

from unslow.commands import EXIT_HEALTHY, Commands, command, progress
from unslow.commands.sources import add_access, add_sources, looking_of


def add(commands: Commands) -> None:
    added = command(
        commands,
        "baseline",
        run,
        "Measure a URL while it is well, so that a later diagnosis can say what grew.",
        """\
  unslow baseline http://127.0.0.1:8000/items
  unslow baseline URL --save healthy.unslow""",
    )
    added.add_argument("target", metavar="URL|WORKLOAD", help="a URL served on this machine, or NAMESPACE/WORKLOAD")
    added.add_argument("--save", type=Path, metavar="FILE", help="where to keep it (default: found again by URL)")
    add_sources(added)
    add_access(added)


def run(arguments: argparse.Namespace) -> int:
    from unslow import incident

    looking = looking_of(arguments)
    evidence = incident.gather(looking, progress(arguments), baseline=False)
    path = arguments.save or incident.baseline_path(looking.target)
    incident.save(path, evidence)
    diagnosis = incident.diagnose(evidence)
    print(
        f"baseline saved in {path}: {diagnosis.account.now_ms:.1f} ms on average of {diagnosis.account.requests} requests"
    )
    if diagnosis.causes:
        print(f"it may not be a good one: {diagnosis.headline}")
    return EXIT_HEALTHY
