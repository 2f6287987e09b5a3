"""Shell completion scripts, written from the parser itself so that they cannot drift from it."""

from __future__ import annotations

import argparse


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """A bash or zsh script that completes commands and options."""
    words = {name: _options(command) for name, command in commands(parser).items()}
    cases = "\n".join(f'    {name}) words="{" ".join(options)}" ;;' for name, options in words.items())
    bash = BASH.format(commands=" ".join(words), cases=cases)
    return f"#compdef unslow\nautoload -U +X bashcompinit && bashcompinit\n{bash}" if shell == "zsh" else bash


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _options(command: argparse.ArgumentParser) -> list[str]:
    return sorted(option for action in command._actions for option in action.option_strings if option.startswith("--"))


BASH = """\
_unslow() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="{commands}"
  else
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [ ${{#COMPREPLY[@]}} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$word")); fi
}}
complete -F _unslow unslow
"""
