"""The commands: one per file, each importing what it needs when it runs, so that `--help` stays instant.

A module with a function `add` is a command; the folder is the registry.
"""

from __future__ import annotations

import argparse
import pkgutil
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Any]
else:  # at run time argparse's class takes no type argument
    Commands = argparse._SubParsersAction

EXIT_HEALTHY, EXIT_CAUSES, EXIT_BAD_INPUT, EXIT_CANNOT_LOOK, EXIT_INTERRUPTED = 0, 1, 2, 3, 130

FIRST = ("demo", "diagnose", "baseline", "loadtest", "checks")
"""The order of `--help`: what a newcomer needs, then the rest by name."""


def add_all(commands: Commands) -> None:
    """Every module of this folder that has a function `add`."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    for name in (*FIRST, *(name for name in names if name not in FIRST)):
        add = getattr(import_module(f"{__name__}.{name}"), "add", None)
        if add is not None:
            add(commands)


def command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], text: str, examples: str
) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.set_defaults(command=run)
    return added


def seconds(text: str) -> float:
    """`30`, `30s`, `1.5m`, `500ms`, `1h` -> seconds."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    number = text.rstrip("hms")
    unit = text[len(number) :] or "s"
    try:
        value = float(number) * units[unit]
    except (ValueError, KeyError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; say 30s, 1.5m or 500ms") from None
    if not 0 < value < 86400:
        raise argparse.ArgumentTypeError(f"{text!r} must lie between 0 and 24 h")
    return value


def progress(arguments: argparse.Namespace) -> Callable[[str], None]:
    """Progress goes to standard error, and only to a terminal: a pipe gets the answer alone."""
    if not sys.stderr.isatty():
        return lambda text: None

    def show(text: str) -> None:
        print(f"\r\x1b[K{text}", end="" if text else "\r", file=sys.stderr, flush=True)

    return show
