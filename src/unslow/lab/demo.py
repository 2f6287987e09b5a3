"""`unslow demo`: start the shop with a fault, diagnose it, write the report."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from unslow import incident
from unslow.errors import BadUsage, CannotLook
from unslow.evidence import Evidence
from unslow.lab.faults import FAULTS, FaultUnavailable
from unslow.settings import Looking

SETTLE_S = 3.0
DEFAULT_FAULT = "missing_index"
DEFAULT_PORT = 8000


def fault_lines() -> list[str]:
    width = max(map(len, FAULTS))
    return [f"{name:{width}}  {fault.title}" for name, fault in FAULTS.items()]


def run(
    arguments: argparse.Namespace,
    progress: Callable[[str], None],
    answer: Callable[[Evidence, argparse.Namespace], int],
) -> int:
    """Exit code of the diagnosis."""
    faults = tuple(arguments.fault) or (DEFAULT_FAULT,)
    for fault in faults:
        if fault not in FAULTS:
            raise BadUsage(f"there is no fault {fault!r}", "see: unslow demo --list")
    try:
        from unslow.lab.shop import Lab
    except ImportError as error:
        raise BadUsage(
            f"the demonstration shop is not installed ({error.name})", "pip install 'unslow[lab]'"
        ) from error
    if arguments.html is None:
        arguments.html = Path(f"unslow-{'-'.join(faults)}.html")
    progress("starting the shop: PostgreSQL, Redis, nginx, two services (the first time a million orders are made)")
    try:
        with Lab(() if arguments.baseline else faults, port=_port(), rate=arguments.load_rate) as lab:
            baseline = None
            if arguments.baseline:
                progress("measuring the healthy shop")
                baseline = _gather(lab.url, arguments.budget, progress)
                lab.switch(faults)
            time.sleep(SETTLE_S)
            evidence = _gather(lab.url, arguments.budget, progress)
            lab.mark(evidence.window.start_s)
            truth = lab.truth(evidence.window.end_s)
            if baseline is not None:
                evidence = incident.compared(evidence, baseline)
            progress("")
            if arguments.save:
                incident.save(arguments.save, evidence)
            code = answer(evidence, arguments)
            print(
                f"\nThe shop's own visitors: {truth.mean_ms:.0f} ms on average of {truth.n}, "
                f"{truth.injected_ms:+.0f} ms against the healthy shop ({truth.healthy_ms:.0f} ms)."
            )
            print(f"Report: {arguments.html.resolve()}")
            if arguments.keep:
                _keep(lab.urls)
            return code
    except FaultUnavailable as error:
        raise CannotLook(
            f"this machine cannot make that fault: {error}", "choose another: unslow demo --list"
        ) from error


def _gather(url: str, budget_s: float, progress: Callable[[str], None]) -> Evidence:
    return incident.gather(Looking(target=url, budget_s=budget_s), progress, baseline=False)


def _port() -> int | None:
    """The documented port when it is free, else any."""
    import socket

    with socket.socket() as probe:
        return None if probe.connect_ex(("127.0.0.1", DEFAULT_PORT)) == 0 else DEFAULT_PORT


def _keep(urls: dict[str, str]) -> None:
    print("\nThe shop keeps running until Ctrl-C:")
    for name, url in urls.items():
        print(f"  {name:12} {url}")
    try:
        while True:
            time.sleep(1.0)
    except KeyboardInterrupt:
        print("\nstopping the shop")
