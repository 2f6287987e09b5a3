"""A shell completion script."""

from __future__ import annotations

import argparse

from unslow.commands import EXIT_HEALTHY, Commands, command


def add(commands: Commands) -> None:
    added = command(
        commands,
        "completion",
        run,
        "Print a shell completion script: commands, options, and the cluster's namespaces and workloads.",
        """\
  source <(unslow completion bash)
  unslow completion zsh > "${fpath[1]}/_unslow"
  unslow completion fish > ~/.config/fish/completions/unslow.fish

`kubectl unslow` needs nothing: kubectl asks the command kubectl_complete-unslow beside unslow.""",
    )
    added.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(arguments: argparse.Namespace) -> int:
    from unslow.completion import script

    print(script(arguments.shell), end="")
    return EXIT_HEALTHY
