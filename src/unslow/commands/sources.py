"""Where a diagnosis looks: the options, and what they mean to it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unslow.commands import seconds
from unslow.errors import BadUsage

if TYPE_CHECKING:
    from unslow.settings import Looking


def add_sources(command: argparse.ArgumentParser) -> None:
    sources = command.add_argument_group("sources (found by themselves where possible)")
    sources.add_argument(
        "--budget", type=seconds, default=30.0, metavar="TIME", help="time to look, e.g. 30s (default) or 1m"
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
    add_prometheus_login(sources)
    sources.add_argument("--series", type=Path, metavar="FILE", help="saved series: at,mean_s,p99_s,requests_per_s")
    sources.add_argument(
        "--header", action="append", default=[], metavar="'NAME: VALUE'", help="sent with every request to the target"
    )
    sources.add_argument("--rate", type=float, metavar="N", help="own requests a second (default: adapts, at most 5)")
    sources.add_argument(
        "--path", default="", metavar="PATH", help="what to request of a workload (default: its busiest route)"
    )
    sources.add_argument(
        "--allow",
        action="append",
        default=[],
        choices=["node"],
        metavar="node",
        help="also read the workload's nodes, from a small pod in their network that is deleted (needs --debug-image)",
    )
    sources.add_argument("--no-metrics", action="store_true", help="do not read the target's /metrics page")
    sources.add_argument("--no-database", action="store_true", help="do not log in to the database or the cache")
    sources.add_argument("--no-profile", action="store_true", help="do not sample the workers' stacks")
    sources.add_argument("--no-baseline", action="store_true", help="ignore a saved baseline")


def add_prometheus_login(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--prometheus-header", action="append", default=[], metavar="'NAME: VALUE'", help="as X-Scope-OrgID (repeat it)"
    )
    group.add_argument(
        "--prometheus-config",
        type=Path,
        metavar="FILE",
        help="login, certificates, proxy, AWS signature: as promtool's --http.config.file",
    )


def add_access(command: argparse.ArgumentParser) -> None:
    access = command.add_argument_group("the way to a cluster, as in kubectl")
    access.add_argument("-n", "--namespace", default="", metavar="NAME", help="for deploy/NAME and its like")
    access.add_argument("--kubeconfig", type=Path, metavar="FILE")
    access.add_argument("--context", default="", metavar="NAME", help="of the kubeconfig")
    access.add_argument("--cluster", default="", metavar="NAME", help="of the kubeconfig, instead of the context's")
    access.add_argument("--user", default="", metavar="NAME", help="of the kubeconfig, instead of the context's")
    access.add_argument("--as", dest="as_user", default="", metavar="USER", help="whom to impersonate")
    access.add_argument("--as-group", action="append", default=[], metavar="GROUP", help="with --as (repeat it)")
    access.add_argument("--as-uid", default="", metavar="UID", help="with --as")
    access.add_argument("--no-exec", action="store_true", help="run nothing inside the pods")
    access.add_argument(
        "--debug-image",
        default="",
        metavar="IMAGE",
        help="with Python: may be added to a pod whose own image has none; it stays listed until the pod goes",
    )
    access.add_argument(
        "--node-namespace",
        default="",
        metavar="NAME",
        help="with --allow node: where its pods are made (default: the workload's namespace)",
    )


def way_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of `add_access` as fields of `Looking`."""
    return {
        "kubeconfig": arguments.kubeconfig,
        "context": arguments.context,
        "cluster": arguments.cluster,
        "user": arguments.user,
        "namespace": arguments.namespace,
        "as_user": arguments.as_user,
        "as_groups": tuple(arguments.as_group),
        "as_uid": arguments.as_uid,
        "node_namespace": arguments.node_namespace,
    }


def looking_of(arguments: argparse.Namespace) -> Looking:
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
        prometheus_config=arguments.prometheus_config,
        prometheus_headers=headers_of(arguments.prometheus_header),
        series=arguments.series,
        headers=headers_of(arguments.header),
        rate_per_s=arguments.rate,
        use_metrics=not arguments.no_metrics,
        use_database=not arguments.no_database,
        use_profile=not arguments.no_profile,
        use_baseline=not arguments.no_baseline,
        path=arguments.path,
        **way_of(arguments),
        use_exec=not arguments.no_exec,
        debug_image=arguments.debug_image,
        node_image=node_image(arguments),
    )


def node_image(arguments: argparse.Namespace) -> str:
    """Of the pods that `--allow node` makes; empty without it."""
    if "node" not in arguments.allow:
        return ""
    if not arguments.debug_image:
        raise BadUsage(
            "--allow node needs an image with Python", "name one that the nodes can pull: --debug-image IMAGE"
        )
    return str(arguments.debug_image)


def headers_of(lines: Sequence[str]) -> dict[str, str]:
    pairs = [line.partition(":") for line in lines]
    for line, (name, colon, _) in zip(lines, pairs, strict=True):
        if not colon or not name.strip() or not line.isprintable():
            raise BadUsage(f"{name!r} is no header", "write it as 'Name: value'")
    return {name.strip(): value.strip() for name, _, value in pairs}
