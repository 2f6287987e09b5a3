"""The command line: what was typed -> one command of `commands/` -> an exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from unslow import __version__
from unslow.commands import EXIT_BAD_INPUT, EXIT_HEALTHY, EXIT_INTERRUPTED, add_all
from unslow.errors import UnslowError

DESCRIPTION = "Finds why a service is slow, accounts for every millisecond, and says what to do."

EPILOG = """\
examples:
  unslow demo                                      a slow shop on this machine, diagnosed
  unslow diagnose http://127.0.0.1:8000/items      why is this URL slow?
  unslow diagnose URL --save incident.unslow       keep the evidence
  unslow diagnose incident.unslow --html out.html  the same report, offline
  unslow loadtest URL --rate 100 --duration 60s    open-loop load

exit codes: 0 healthy, 1 causes found, 2 bad usage or input, 3 could not look
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the only place that turns expected errors into one line and an exit code."""
    arguments = parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except UnslowError as error:
        remedy = f"\n  {error.remedy}" if error.remedy else ""
        print(f"unslow: {error.message}{remedy}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("unslow: interrupted; everything it started has been stopped", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe (head, less) has gone; nobody is left to tell.
        sys.stderr.close()
        return EXIT_HEALTHY


def complete() -> int:
    """`kubectl_complete-unslow WORD...`, which kubectl and the shells' scripts ask."""
    from unslow.completion import answer

    return answer(parser, sys.argv[1:])


def parser() -> argparse.ArgumentParser:
    top = _Parser(
        prog=_name(), description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"unslow {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_all(commands)
    top.set_defaults(parser=top)
    return top


def _name() -> str:
    """As kubectl's plugin it is called by another name."""
    return "kubectl unslow" if Path(sys.argv[0]).name == "kubectl-unslow" else "unslow"


class _Parser(argparse.ArgumentParser):
    """argparse with its help wide enough for the examples."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.print_usage(sys.stderr)
        print(f"unslow: {message}\n  see: {self.prog} --help", file=sys.stderr)
        raise SystemExit(EXIT_BAD_INPUT)


if __name__ == "__main__":
    sys.exit(main())
