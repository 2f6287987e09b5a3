"""Why is a URL slow? Or a saved bundle, read again."""

from __future__ import annotations

import argparse
from pathlib import Path

from unslow.commands import Commands, command, progress
from unslow.commands.answers import add_output, answer
from unslow.commands.sources import add_access, add_sources, looking_of


def add(commands: Commands) -> None:
    added = command(
        commands,
        "diagnose",
        run,
        "Find why a URL or a workload in Kubernetes is slow, or read a saved bundle again.",
        """\
  unslow diagnose http://127.0.0.1:8000/items
  unslow diagnose shop/gateway                    a workload: NAMESPACE/WORKLOAD
  unslow diagnose deploy/gateway -n shop --path /items
  unslow diagnose http://127.0.0.1:8000/items --budget 1m --save incident.unslow
  unslow diagnose incident.unslow --format markdown
  unslow diagnose URL --json | jq '.causes[0]'""",
    )
    added.add_argument(
        "target",
        metavar="URL|WORKLOAD|FILE",
        help="a URL served on this machine, NAMESPACE/WORKLOAD, or a .unslow bundle",
    )
    added.add_argument("--save", type=Path, metavar="FILE", help="keep the evidence in a bundle")
    add_sources(added)
    add_access(added)
    add_output(added)


def run(arguments: argparse.Namespace) -> int:
    from unslow import incident

    evidence = incident.gather(looking_of(arguments), progress(arguments))
    if arguments.save:
        incident.save(arguments.save, evidence)
    return answer(evidence, arguments)
