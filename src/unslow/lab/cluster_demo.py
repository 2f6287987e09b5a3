"""`unslow demo --cluster`: the shop in a namespace of its own with a fault, diagnosed, and removed."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from unslow import incident
from unslow.errors import BadUsage, CannotLook, Unavailable
from unslow.evidence import Evidence
from unslow.lab.cluster import ClusterLab
from unslow.lab.cluster_faults import CLUSTER_FAULTS, ClusterFault, of_the_shop
from unslow.lab.faults import FAULTS
from unslow.settings import Looking

DEFAULT_FAULT = "cpu_limit"
NAMESPACE = "unslow-demo"


def fault_lines() -> list[str]:
    """Of a cluster; those of the shop on one machine can be made there too."""
    width = max(map(len, CLUSTER_FAULTS))
    return [f"{name:{width}}  {fault.title}" for name, fault in CLUSTER_FAULTS.items()]


def run(
    arguments: argparse.Namespace,
    progress: Callable[[str], None],
    answer: Callable[[Evidence, argparse.Namespace], int],
) -> int:
    """Exit code of the diagnosis."""
    if len(arguments.fault) > 1:
        raise BadUsage("one fault at a time in a cluster", "give --fault once")
    fault = _fault(arguments.fault[0] if arguments.fault else DEFAULT_FAULT)
    namespace = arguments.namespace or NAMESPACE
    progress(f"deploying the shop into namespace {namespace}")
    try:
        return _shown(arguments, fault, namespace, progress, answer)
    except Unavailable as error:
        raise CannotLook(error.missing, error.remedy) from error


def _shown(
    arguments: argparse.Namespace,
    fault: ClusterFault,
    namespace: str,
    progress: Callable[[str], None],
    answer: Callable[[Evidence, argparse.Namespace], int],
) -> int:
    with ClusterLab(
        kubeconfig=arguments.kubeconfig,
        context=arguments.context,
        namespace=namespace,
        enter=arguments.enter,
        images=arguments.images,
        progress=progress,
    ) as lab:
        lab.switch(fault)
        since_s = time.time()
        looking = Looking(
            target=f"{namespace}/{fault.target}",
            budget_s=arguments.budget,
            kubeconfig=arguments.kubeconfig,
            context=arguments.context,
            path=fault.path,
        )
        evidence = incident.gather(looking, progress, baseline=False)
        mean_ms, n, failed = lab.seen(fault.path, since_s)
        progress("")
        if arguments.save:
            incident.save(arguments.save, evidence)
        code = answer(evidence, arguments)
        print(
            f"\nThe shop's own visitors: {mean_ms:.0f} ms on average of {n}, {failed} failed. The fault: {fault.title}."
        )
        progress(f"removing namespace {namespace}")
    progress("")
    return code


def _fault(name: str) -> ClusterFault:
    if name in CLUSTER_FAULTS:
        return CLUSTER_FAULTS[name]
    if name in FAULTS:
        return of_the_shop(name)
    raise BadUsage(f"there is no fault {name!r}", "see: unslow demo --cluster --list")
