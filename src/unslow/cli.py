"""The command line. Each command imports what it needs when it runs, so that `--help` stays instant."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unslow import __version__
from unslow.errors import BadUsage, UnslowError

if TYPE_CHECKING:
    from unslow.diagnosis import Diagnosis
    from unslow.evidence import Evidence
    from unslow.settings import Looking

    Commands = argparse._SubParsersAction[Any]

EXIT_HEALTHY, EXIT_CAUSES, EXIT_BAD_INPUT, EXIT_CANNOT_LOOK, EXIT_INTERRUPTED = 0, 1, 2, 3, 130

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


def parser() -> argparse.ArgumentParser:
    top = _Parser(
        prog="unslow", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"unslow {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_add_demo, _add_diagnose, _add_baseline, _add_loadtest, _add_checks, _add_slow_log, _add_completion):
        add(commands)
    return top


class _Parser(argparse.ArgumentParser):
    """argparse with its help wide enough for the examples."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.print_usage(sys.stderr)
        print(f"unslow: {message}\n  see: {self.prog} --help", file=sys.stderr)
        raise SystemExit(EXIT_BAD_INPUT)


def _command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], text: str, examples: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(command=run)
    return command


def _add_output(command: argparse.ArgumentParser) -> None:
    output = command.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON document (schema unslow.diagnosis/1)")
    output.add_argument("--format", choices=("terminal", "markdown", "json"), default="terminal", help="what to print")
    output.add_argument("--html", type=Path, metavar="FILE", help="also write one self-contained HTML report")
    output.add_argument("--skip", action="append", default=[], metavar="CHECK", help="leave this check out")
    output.add_argument("--no-color", action="store_true", help="plain text, also on a terminal")


def _add_sources(command: argparse.ArgumentParser) -> None:
    sources = command.add_argument_group("sources (found by themselves where possible)")
    sources.add_argument(
        "--budget", type=_seconds, default=30.0, metavar="TIME", help="time to look, e.g. 30s (default) or 1m"
    )
    sources.add_argument("--postgres", metavar="DSN", help="database login, instead of the application's own")
    sources.add_argument("--redis", metavar="URL", help="cache address, instead of the application's own")
    sources.add_argument(
        "--log", type=Path, action="append", default=[], metavar="FILE", help="log file with slow queries"
    )
    sources.add_argument("--spans", type=Path, metavar="FILE", help="traces: OTLP, Jaeger or Zipkin JSON")
    sources.add_argument(
        "--otlp", type=int, metavar="PORT", help="listen for OTLP/HTTP traces on this loopback port meanwhile"
    )
    sources.add_argument("--prometheus", metavar="URL", help="Prometheus server that knows the time before")
    sources.add_argument("--series", type=Path, metavar="FILE", help="saved series: at,mean_s,p99_s,requests_per_s")
    sources.add_argument(
        "--header", action="append", default=[], metavar="'NAME: VALUE'", help="sent with every request to the target"
    )
    sources.add_argument("--rate", type=float, metavar="N", help="own requests a second (default: adapts, at most 5)")
    sources.add_argument("--no-metrics", action="store_true", help="do not read the target's /metrics page")
    sources.add_argument("--no-database", action="store_true", help="do not log in to the database or the cache")
    sources.add_argument("--no-profile", action="store_true", help="do not sample the workers' stacks")
    sources.add_argument("--no-baseline", action="store_true", help="ignore a saved baseline")


def _add_demo(commands: Commands) -> None:
    command = _command(
        commands,
        "demo",
        _demo,
        "Start a small slow shop on this machine, diagnose it, and write the report.",
        """\
  unslow demo                                an index is missing
  unslow demo --fault n_plus_one             another fault; several may be given
  unslow demo --fault missing_index --keep   leave the shop running and print its URLs
  unslow demo --list                         the faults there are""",
    )
    command.add_argument(
        "--fault", action="append", default=[], metavar="NAME", help="fault to switch on (default: missing_index)"
    )
    command.add_argument("--list", action="store_true", help="list the faults")
    command.add_argument("--keep", action="store_true", help="leave the shop running until Ctrl-C")
    command.add_argument(
        "--rate", dest="load_rate", type=float, default=None, metavar="N", help="requests a second sent to the shop"
    )
    command.add_argument(
        "--baseline", action="store_true", help="measure the healthy shop first, and hold the fault against it"
    )
    command.add_argument("--save", type=Path, metavar="FILE", help="keep the evidence in a bundle")
    command.add_argument("--budget", type=_seconds, default=30.0, metavar="TIME", help="time to look (default 30s)")
    _add_output(command)


def _add_diagnose(commands: Commands) -> None:
    command = _command(
        commands,
        "diagnose",
        _diagnose,
        "Find why a URL is slow, or read a saved bundle again.",
        """\
  unslow diagnose http://127.0.0.1:8000/items
  unslow diagnose http://127.0.0.1:8000/items --budget 1m --save incident.unslow
  unslow diagnose incident.unslow --format markdown
  unslow diagnose URL --json | jq '.causes[0]'""",
    )
    command.add_argument("target", metavar="URL|FILE", help="a URL served on this machine, or a .unslow bundle")
    command.add_argument("--save", type=Path, metavar="FILE", help="keep the evidence in a bundle")
    _add_sources(command)
    _add_output(command)


def _add_baseline(commands: Commands) -> None:
    command = _command(
        commands,
        "baseline",
        _baseline,
        "Measure a URL while it is well, so that a later diagnosis can say what grew.",
        """\
  unslow baseline http://127.0.0.1:8000/items
  unslow baseline URL --save healthy.unslow""",
    )
    command.add_argument("target", metavar="URL", help="a URL served on this machine")
    command.add_argument("--save", type=Path, metavar="FILE", help="where to keep it (default: found again by URL)")
    _add_sources(command)


def _add_loadtest(commands: Commands) -> None:
    command = _command(
        commands,
        "loadtest",
        _loadtest,
        "Send requests at a fixed rate, whether or not answers come, and time each from the moment it was due.",
        """\
  unslow loadtest http://127.0.0.1:8000/items --rate 100 --duration 60s
  unslow loadtest URL --rate 20 --arrivals poisson --json""",
    )
    command.add_argument(
        "target", metavar="URL", help="this machine or a private network, unless --allow-host names it"
    )
    command.add_argument("--rate", type=float, required=True, metavar="N", help="requests a second")
    command.add_argument("--duration", type=_seconds, default=10.0, metavar="TIME", help="e.g. 60s (default 10s)")
    command.add_argument(
        "--arrivals", choices=("uniform", "poisson"), default="uniform", help="spacing of the requests"
    )
    command.add_argument(
        "--timeout", type=_seconds, default=10.0, metavar="TIME", help="an answer later than this is an error"
    )
    command.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'")
    command.add_argument("--method", default="GET")
    command.add_argument(
        "--allow-host", action="append", default=[], metavar="HOST", help="a public host that may be loaded"
    )
    command.add_argument("--json", action="store_true", help="print one JSON document")


def _add_checks(commands: Commands) -> None:
    command = _command(
        commands,
        "checks",
        _checks,
        "What can be diagnosed.",
        """\
  unslow checks
  unslow checks missing_index""",
    )
    command.add_argument("name", nargs="?", help="explain this one")
    command.add_argument("--json", action="store_true", help="print one JSON document")


def _add_slow_log(commands: Commands) -> None:
    command = _command(
        commands,
        "slow-log",
        _slow_log,
        "Sum up the slow statements of a log file, by shape.",
        """\
  unslow slow-log /var/log/postgresql/postgresql-15-main.log
  unslow slow-log app.log --json""",
    )
    command.add_argument("file", type=Path)
    command.add_argument("--top", type=int, default=20, metavar="N", help="shapes to show (default 20)")
    command.add_argument("--json", action="store_true", help="print one JSON document")


def _add_completion(commands: Commands) -> None:
    command = _command(
        commands,
        "completion",
        _completion,
        "Print a shell completion script.",
        """\
  source <(unslow completion bash)
  unslow completion zsh > "${fpath[1]}/_unslow\"""",
    )
    command.add_argument("shell", choices=("bash", "zsh"))


def _seconds(text: str) -> float:
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


def _diagnose(arguments: argparse.Namespace) -> int:
    from unslow import incident

    evidence = incident.gather(_looking(arguments), _progress(arguments))
    if arguments.save:
        incident.save(arguments.save, evidence)
    return _answer(evidence, arguments)


def _baseline(arguments: argparse.Namespace) -> int:
    from unslow import incident

    looking = _looking(arguments)
    evidence = incident.gather(looking, _progress(arguments), baseline=False)
    path = arguments.save or incident.baseline_path(looking.target)
    incident.save(path, evidence)
    diagnosis = incident.diagnose(evidence)
    print(
        f"baseline saved in {path}: {diagnosis.account.now_ms:.1f} ms on average of {diagnosis.account.requests} requests"
    )
    if diagnosis.causes:
        print(f"it may not be a good one: {diagnosis.headline}")
    return EXIT_HEALTHY


def _demo(arguments: argparse.Namespace) -> int:
    from unslow.lab import demo

    if arguments.list:
        print("\n".join(demo.fault_lines()))
        return EXIT_HEALTHY
    return demo.run(arguments, _progress(arguments), _answer)


def _looking(arguments: argparse.Namespace) -> Looking:
    from unslow.settings import Looking

    return Looking(
        target=arguments.target,
        budget_s=arguments.budget,
        postgres=arguments.postgres,
        redis=arguments.redis,
        logs=tuple(arguments.log),
        spans=arguments.spans,
        otlp_port=arguments.otlp,
        prometheus=arguments.prometheus,
        series=arguments.series,
        headers=_headers(arguments.header),
        rate_per_s=arguments.rate,
        use_metrics=not arguments.no_metrics,
        use_database=not arguments.no_database,
        use_profile=not arguments.no_profile,
        use_baseline=not arguments.no_baseline,
    )


def _skipped(names: Sequence[str]) -> frozenset[str]:
    from unslow import checks

    unknown = sorted(set(names) - set(checks.all_checks()))
    if unknown:
        raise BadUsage(f"there is no check {unknown[0]!r}", "see: unslow checks")
    return frozenset(names)


def _headers(lines: Sequence[str]) -> dict[str, str]:
    pairs = [line.partition(":") for line in lines]
    for name, colon, _ in pairs:
        if not colon or not name.strip():
            raise BadUsage(f"{name!r} is no header", "write it as 'Name: value'")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _progress(arguments: argparse.Namespace) -> Callable[[str], None]:
    """Progress goes to standard error, and only to a terminal: a pipe gets the answer alone."""
    if not sys.stderr.isatty():
        return lambda text: None

    def show(text: str) -> None:
        print(f"\r\x1b[K{text}", end="" if text else "\r", file=sys.stderr, flush=True)

    return show


def _answer(evidence: Evidence, arguments: argparse.Namespace) -> int:
    from unslow import incident

    diagnosis = incident.diagnose(evidence, skip=_skipped(arguments.skip))
    if arguments.html:
        from unslow.report import html

        arguments.html.write_text(html.render(diagnosis), encoding="utf-8")
    _print(diagnosis, "json" if arguments.json else arguments.format, colour=_colour(arguments))
    if arguments.html:
        print(f"report: {arguments.html}", file=sys.stderr)
    return _exit_code(diagnosis)


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


def _loadtest(arguments: argparse.Namespace) -> int:
    from unslow.verify import load, report_load

    result = load.loadtest(
        arguments.target,
        rate=arguments.rate,
        duration_s=arguments.duration,
        arrivals=arguments.arrivals,
        timeout_s=arguments.timeout,
        headers=_headers(arguments.header),
        method=arguments.method,
        allow_hosts=tuple(arguments.allow_host),
        progress=_progress(arguments),
    )
    print(report_load.to_json(result) if arguments.json else report_load.render_text(result), end="")
    return EXIT_HEALTHY


def _checks(arguments: argparse.Namespace) -> int:
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


def _slow_log(arguments: argparse.Namespace) -> int:
    from unslow.collect import slow_logs
    from unslow.report import slow_log

    summary = slow_logs.summarise(arguments.file)
    print(slow_log.to_json(summary) if arguments.json else slow_log.render(summary, arguments.top), end="")
    return EXIT_HEALTHY


def _completion(arguments: argparse.Namespace) -> int:
    from unslow.completion import script

    print(script(parser(), arguments.shell), end="")
    return EXIT_HEALTHY


if __name__ == "__main__":
    sys.exit(main())
