"""The latency runbook of a workload, step by step."""

from __future__ import annotations

import argparse
from pathlib import Path

from unslow.commands import EXIT_CANNOT_LOOK, EXIT_CAUSES, EXIT_HEALTHY, Commands, command, progress, seconds
from unslow.commands.sources import add_access, add_prometheus_login, headers_of, way_of


def add(commands: Commands) -> None:
    added = command(
        commands,
        "runbook",
        run,
        "Go through the latency runbook of a workload: what each step asks, the command, the result, what it means.",
        """\
  unslow runbook shop/gateway                        all steps; what would change anything is only proposed
  unslow runbook deploy/gateway -n shop --json
  unslow runbook shop/gateway --allow capture        also the packet capture, in a debug container
  unslow runbook shop/gateway --allow loadtest --load-rate 50 --load-path /health
  unslow runbook shop/gateway --as system:serviceaccount:unslow:unslow-observe""",
    )
    added.add_argument("target", metavar="NAMESPACE/WORKLOAD", help="or deploy/NAME, svc/NAME, pod/NAME with -n")
    added.add_argument("--json", action="store_true", help="one JSON document")
    added.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="STEP",
        help="make a change that is otherwise proposed: connectivity, tracing, capture, loadtest; node: also read the "
        "nodes from a small pod in their network (may be repeated)",
    )
    added.add_argument("--budget", type=seconds, default=30.0, metavar="TIME", help="time to look (default 30s)")
    add_access(added)
    tools = added.add_argument_group("tools")
    tools.add_argument("--prometheus", default="", metavar="URL", help="instead of the one found in the cluster")
    add_prometheus_login(tools)
    tools.add_argument("--loki", default="", metavar="URL", help="logs; instead of the one found in the cluster")
    tools.add_argument("--loki-config", type=Path, metavar="FILE", help="login, as --prometheus-config")
    tools.add_argument("--postgres", metavar="DSN", help="database login, instead of the application's own")
    tools.add_argument("--capture-time", type=seconds, default=10.0, metavar="TIME", help="default 10s")
    tools.add_argument("--trace-time", type=seconds, default=20.0, metavar="TIME", help="default 20s")
    tools.add_argument("--trace-annotation", default="debug.trace/enabled", metavar="KEY")
    tools.add_argument("--load-image", default="fortio/fortio:latest", metavar="IMAGE")
    tools.add_argument("--load-rate", type=_rate, default=20.0, metavar="N", help="requests a second (default 20)")
    tools.add_argument("--load-time", type=seconds, default=20.0, metavar="TIME", help="default 20s")
    tools.add_argument("--load-path", default="/", metavar="PATH", help="a route that may be repeated (default /)")


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r}: between 0 and 1000 requests a second")
    return rate


def run(arguments: argparse.Namespace) -> int:
    import os

    import msgspec

    from unslow.collect import prom_login
    from unslow.runbook.page import lines
    from unslow.runbook.situation import PROBE_IMAGE, Options
    from unslow.runbook.step import Step
    from unslow.runbook.walk import walk
    from unslow.settings import Looking

    probe_image = arguments.debug_image or os.environ.get("UNSLOW_PROBE_IMAGE", PROBE_IMAGE)
    looking = Looking(
        target=arguments.target,
        budget_s=arguments.budget,
        **way_of(arguments),
        use_exec=not arguments.no_exec,
        debug_image=arguments.debug_image if "connectivity" in arguments.allow else "",
        node_image=probe_image if "node" in arguments.allow else "",
        postgres=arguments.postgres,
        prometheus=arguments.prometheus or None,
        prometheus_config=arguments.prometheus_config,
        prometheus_headers=headers_of(arguments.prometheus_header),
    )
    options = Options(
        allow=frozenset(arguments.allow) - {"node"},
        use_exec=not arguments.no_exec,
        prometheus=arguments.prometheus,
        prometheus_login=prom_login.of(arguments.prometheus_config, headers_of(arguments.prometheus_header)),
        loki=arguments.loki,
        loki_login=prom_login.of(arguments.loki_config, {}),
        probe_image=probe_image,
        load_image=arguments.load_image,
        load_rate=arguments.load_rate,
        load_s=round(arguments.load_time),
        load_path=arguments.load_path,
        capture_s=round(arguments.capture_time),
        trace_s=round(arguments.trace_time),
        trace_annotation=arguments.trace_annotation,
    )
    say = progress(arguments)

    def show(step: Step) -> None:
        say("")
        if not arguments.json:
            print("\n".join(lines(step)), flush=True)

    page = walk(looking, options, say, show)
    say("")
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(page), indent=2).decode())
    else:
        print(page.headline)
    return {"slow": EXIT_CAUSES, "healthy": EXIT_HEALTHY, "unknown": EXIT_CANNOT_LOOK}[page.verdict]
