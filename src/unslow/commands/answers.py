"""A diagnosis as the command line prints it: options of the output, formats, exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unslow.commands import EXIT_CANNOT_LOOK, EXIT_CAUSES, EXIT_HEALTHY
from unslow.errors import BadUsage

if TYPE_CHECKING:
    from unslow.diagnosis import Diagnosis
    from unslow.evidence import Evidence


def add_output(command: argparse.ArgumentParser) -> None:
    output = command.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON document (schema unslow.diagnosis/1)")
    output.add_argument("--format", choices=("terminal", "markdown", "json"), default="terminal", help="what to print")
    output.add_argument("--html", type=Path, metavar="FILE", help="also write one self-contained HTML report")
    output.add_argument("--skip", action="append", default=[], metavar="CHECK", help="leave this check out")
    output.add_argument("--no-color", action="store_true", help="plain text, also on a terminal")


def answer(evidence: Evidence, arguments: argparse.Namespace) -> int:
    from unslow import incident

    diagnosis = incident.diagnose(evidence, skip=_skipped(arguments.skip))
    if arguments.html:
        from unslow.report import html

        arguments.html.write_text(html.render(diagnosis), encoding="utf-8")
    _print(diagnosis, "json" if arguments.json else arguments.format, colour=_colour(arguments))
    if arguments.html:
        print(f"report: {arguments.html}", file=sys.stderr)
    return _exit_code(diagnosis)


def _skipped(names: Sequence[str]) -> frozenset[str]:
    from unslow import checks

    unknown = sorted(set(names) - set(checks.all_checks()))
    if unknown:
        raise BadUsage(f"there is no check {unknown[0]!r}", "see: unslow checks")
    return frozenset(names)


def _print(diagnosis: Diagnosis, form: str, *, colour: bool) -> None:
    if form == "json":
        from unslow.report import document

        sys.stdout.buffer.write(document.render(diagnosis))
    elif form == "markdown":
        from unslow.report import markdown

        print(markdown.render(diagnosis), end="")
    else:
        from unslow.report import terminal

        print(terminal.render(diagnosis, colour=colour), end="")


def _colour(arguments: argparse.Namespace) -> bool:
    return sys.stdout.isatty() and not arguments.no_color


def _exit_code(diagnosis: Diagnosis) -> int:
    if diagnosis.verdict == "unknown":
        return EXIT_CANNOT_LOOK
    return EXIT_CAUSES if diagnosis.causes or diagnosis.verdict == "slow" else EXIT_HEALTHY
