"""What can be diagnosed."""

from __future__ import annotations

import argparse

from unslow.commands import EXIT_HEALTHY, Commands, command
from unslow.errors import BadUsage


def add(commands: Commands) -> None:
    added = command(
        commands,
        "checks",
        run,
        "What can be diagnosed.",
        """\
  unslow checks
  unslow checks missing_index""",
    )
    added.add_argument("name", nargs="?", help="explain this one")
    added.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    from unslow import checks

    names = tuple(checks.all_checks())
    if arguments.name and arguments.name not in names:
        raise BadUsage(f"there is no check {arguments.name!r}", "see: unslow checks")
    chosen = (arguments.name,) if arguments.name else names
    explained = {name: checks.explain(name) for name in chosen}
    if arguments.json:
        import json

        print(json.dumps(explained, indent=2))
    elif arguments.name:
        print(f"{arguments.name}\n\n{explained[arguments.name]}")
    else:
        width = max(map(len, names))
        print("\n".join(f"{name:{width}}  {text.splitlines()[0]}" for name, text in explained.items()))
    return EXIT_HEALTHY
