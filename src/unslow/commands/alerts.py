"""Latency alert rules: what is wrong with them, the corrected ones, and when both would have fired."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unslow.commands import EXIT_CAUSES, EXIT_HEALTHY, Commands, command, seconds
from unslow.commands.sources import headers_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from unslow.alerts.corrected import Wanted
    from unslow.alerts.rules import Rule
    from unslow.collect.prometheus_api import Api


def add(commands: Commands) -> None:
    added = command(
        commands,
        "alerts",
        run,
        "Explain what is wrong with latency alert rules, and write corrected ones with their tests.",
        """\
  unslow alerts lint rules.yaml
  unslow alerts lint rules.yaml --write corrected.yaml      (and corrected_test.yaml, for promtool test rules)
  unslow alerts lint --from-prometheus http://127.0.0.1:9090 --history 6h --json""",
    )
    added.add_argument("what", choices=("lint",))
    added.add_argument("file", type=Path, nargs="?", help="a rule file or a PrometheusRule manifest; - for stdin")
    added.add_argument("--from-prometheus", metavar="URL", help="lint the rules that this server evaluates")
    added.add_argument("--history", type=seconds, metavar="TIME", help="with a server: play both rules on its past")
    added.add_argument("--write", type=Path, metavar="FILE", help="write the corrected rules and their tests")
    added.add_argument("--by", default="job", metavar="LABELS", help="labels that name a service (default job)")
    added.add_argument("--in-flight", default="", metavar="GAUGE", help="the gauge of requests in flight, for hangs")
    added.add_argument(
        "--header", action="append", default=[], metavar="NAME:VALUE", help="sent to the server (repeat it)"
    )
    added.add_argument("--http-config", type=Path, metavar="FILE", help="how to log in to the server, as for promtool")
    added.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    import json

    from unslow.alerts import corrected, lint
    from unslow.alerts.rules import on_latency
    from unslow.collect.promql import is_label
    from unslow.errors import BadInput, BadUsage

    by = tuple(one.strip() for one in arguments.by.split(",") if one.strip())
    if not by or not all(map(is_label, by)):
        raise BadUsage("--by is no list of label names", "as in --by namespace,service")
    if arguments.history and not arguments.from_prometheus:
        raise BadUsage("--history needs a server", "add --from-prometheus URL")
    found, api = _rules(arguments)
    latency = on_latency(found)
    if not latency:
        raise BadInput("none of the rules is an alert on a duration metric", "give the rules that watch latency")
    documents: list[dict[str, Any]] = []
    meant: list[Wanted] = []
    for rule, faults in lint.judge_all(latency):
        document: dict[str, Any] = {"alert": rule.name, "expr": rule.expression, "faults": faults}
        try:
            if faults:
                meant.append(corrected.wanted(rule, by, arguments.in_flight))
                document["corrected"] = corrected.alerts(meant[-1])
        except BadInput as error:
            document["not_corrected"] = error.message
        if api is not None and arguments.history:
            document["history"] = _played(api, rule, document.get("corrected", ()), arguments.history)
        documents.append(document)
    written = _write(arguments.write, meant) if arguments.write and meant else []
    if arguments.json:
        import msgspec

        print(json.dumps(msgspec.to_builtins({"schema": "unslow.alerts/1", "alerts": documents, "written": written})))
    else:
        print(_drawn(documents, written), end="")
    return EXIT_CAUSES if any(one["faults"] for one in documents) else EXIT_HEALTHY


def _rules(arguments: argparse.Namespace) -> tuple[tuple[Rule, ...], Api | None]:
    from unslow.alerts import rules
    from unslow.errors import BadInput, BadUsage, CannotLook, Unavailable

    if (arguments.file is None) == (arguments.from_prometheus is None):
        raise BadUsage("give either a rule file or --from-prometheus URL", "as in unslow alerts lint rules.yaml")
    if arguments.from_prometheus is not None:
        from unslow.collect import prom_login
        from unslow.collect.prometheus_api import Api

        api = Api(arguments.from_prometheus, prom_login.of(arguments.http_config, headers_of(arguments.header)))
        try:
            return rules.answered(api.rules()), api
        except Unavailable as error:
            raise CannotLook(error.missing, error.remedy) from error
    try:
        text = sys.stdin.read() if str(arguments.file) == "-" else arguments.file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {arguments.file}: {error}", "give a Prometheus rule file") from error
    return rules.read(text), None


def _played(api: Api, rule: Rule, better: Sequence[Any], history_s: float) -> list[dict[str, Any]]:
    """When the rule and its corrected ones would have fired in the past `history_s`."""
    import time

    from unslow.alerts.backtest import firings
    from unslow.alerts.rules import seconds as duration
    from unslow.collect.promql import duration as duration_text
    from unslow.errors import Unavailable

    end_s = time.time()
    step_s = max(30.0, history_s / 1000)
    played: list[dict[str, Any]] = []
    try:
        kept = api.instant(f"count(last_over_time({rule.timed[0].metric}[{duration_text(history_s)}]))", end_s)
    except Unavailable as error:
        return [{"alert": rule.name, "missing": error.missing, "remedy": error.remedy}]
    if not kept:  # silence of a rule without data proves nothing
        missing = f"samples of {rule.timed[0].metric} at {api.name} in that time"
        return [
            {"alert": rule.name, "missing": missing, "remedy": "give a longer --history, or check the metric's name"}
        ]
    for name, text, for_s in (
        (rule.name, rule.expression, rule.for_s),
        *((one.name, one.expression, duration(one.for_text)) for one in better),
    ):
        try:
            found = firings(api, text, for_s, end_s - history_s, end_s, step_s)
            played.append({"alert": name, "expr": text, "fired": found, "warnings": list(api.warnings)})
        except Unavailable as error:
            played.append({"alert": name, "expr": text, "missing": error.missing, "remedy": error.remedy})
    return played


def _write(path: Path, meant: Sequence[Wanted]) -> list[str]:
    from unslow.alerts import corrected
    from unslow.errors import BadInput

    beside = path.with_name(f"{path.stem}_test{path.suffix or '.yaml'}")
    try:
        path.write_text(corrected.rule_file(meant), "utf-8")
        beside.write_text(corrected.test_file(meant, path.name), "utf-8")
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error}", "give a file in a directory that you may write") from error
    return [str(path), str(beside)]


def _drawn(documents: Sequence[dict[str, Any]], written: Sequence[str]) -> str:
    lines: list[str] = []
    for document in documents:
        lines += [f"{document['alert']}", f"  {' '.join(document['expr'].split())}"]
        lines += [f"  - {one.kind}: {one.says}.\n    -> {one.remedy}" for one in document["faults"]]
        lines += [] if document["faults"] else ["  nothing wrong found"]
        for one in document.get("corrected", ()):
            lines += [f"  corrected: {one.name} (for {one.for_text})"]
            lines += [f"    {line}" for line in one.expression.splitlines()]
        if "not_corrected" in document:
            lines.append(f"  not corrected: {document['not_corrected']}")
        for one in document.get("history", ()):
            told = f"not played: {one['missing']}" if "missing" in one else f"fired {len(one['fired'])} times"
            lines.append(f"  history: {one['alert']}: {told}")
        lines.append("")
    lines += [f"written: {', '.join(written)}", f"check them: promtool test rules {written[1]}"] if written else []
    return "\n".join(lines) + "\n"
