"""A small slow shop on this machine, diagnosed."""

from __future__ import annotations

import argparse
from pathlib import Path

from unslow.commands import EXIT_HEALTHY, Commands, command, progress, seconds
from unslow.commands.answers import add_output, answer


def add(commands: Commands) -> None:
    added = command(
        commands,
        "demo",
        run,
        "Start a small slow shop on this machine, diagnose it, and write the report.",
        """\
  unslow demo                                an index is missing
  unslow demo --fault n_plus_one             another fault; several may be given
  unslow demo --fault missing_index --keep   leave the shop running and print its URLs
  unslow demo --cluster --fault slow_pod     in the current Kubernetes cluster; removed afterwards
  unslow demo --list                         the faults there are""",
    )
    added.add_argument(
        "--fault", action="append", default=[], metavar="NAME", help="fault to switch on (default: missing_index)"
    )
    added.add_argument("--list", action="store_true", help="list the faults")
    added.add_argument("--keep", action="store_true", help="leave the shop running until Ctrl-C")
    added.add_argument(
        "--rate", dest="load_rate", type=float, default=None, metavar="N", help="requests a second sent to the shop"
    )
    added.add_argument(
        "--baseline", action="store_true", help="measure the healthy shop first, and hold the fault against it"
    )
    added.add_argument("--save", type=Path, metavar="FILE", help="keep the evidence in a bundle")
    added.add_argument("--budget", type=seconds, default=30.0, metavar="TIME", help="time to look (default 30s)")
    cluster = added.add_argument_group("in a cluster")
    cluster.add_argument("--cluster", action="store_true", help="deploy the shop into the current cluster instead")
    cluster.add_argument("-n", "--namespace", default="", metavar="NAME", help="made for it (default unslow-demo)")
    cluster.add_argument("--kubeconfig", type=Path, metavar="FILE")
    cluster.add_argument("--context", default="", metavar="NAME", help="of the kubeconfig")
    cluster.add_argument("--images", default="lab/", metavar="PREFIX", help="before the names of the shop's images")
    cluster.add_argument(
        "--enter", default="", metavar="COMMAND", help="runs another command in a node, for faults of its network"
    )
    add_output(added)


def run(arguments: argparse.Namespace) -> int:
    if arguments.cluster:
        return _in_a_cluster(arguments)
    from unslow.lab import demo

    if arguments.list:
        print("\n".join(demo.fault_lines()))
        return EXIT_HEALTHY
    return demo.run(arguments, progress(arguments), answer)


def _in_a_cluster(arguments: argparse.Namespace) -> int:
    from unslow.lab import cluster_demo

    if arguments.list:
        print("\n".join(cluster_demo.fault_lines()))
        return EXIT_HEALTHY
    return cluster_demo.run(arguments, progress(arguments), answer)
