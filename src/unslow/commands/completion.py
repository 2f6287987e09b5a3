"""A shell completion script."""

from __future__ import annotations

import argparse

from unslow.commands import EXIT_HEALTHY, Commands, command


def add(commands: Commands) -> None:
    added = command(
        commands,
        "completion",
        run,
        "Print a shell completion script.",
        """\
  source <(unslow completion bash)
  unslow completion zsh > "${fpath[1]}/_unslow\"""",
    )
    added.add_argument("shell", choices=("bash", "zsh"))


def run(arguments: argparse.Namespace) -> int:
    from unslow.completion import script

    print(script(arguments.parser, arguments.shell), end="")
    return EXIT_HEALTHY
