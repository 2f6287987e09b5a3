"""`python -m unslow.lab --fault missing_index`: the shop in the foreground, its truth at the end."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from unslow.lab.faults import FAULTS, FaultUnavailable
from unslow.lab.shop import Lab
from unslow.lab.truth import Truth

SETTLE_S = 2.0


def main(words: list[str] | None = None) -> int:
    """Exit code: 3 when this machine cannot make the fault, 130 when interrupted before the shop was ready."""
    parser = argparse.ArgumentParser(prog="python -m unslow.lab", description=__doc__)
    parser.add_argument("--fault", action="append", default=[], choices=FAULTS, help="may be given twice")
    parser.add_argument("--rate", type=float, help="requests a second of the main route")
    parser.add_argument("--seconds", type=float, help="stop after so long; else at Ctrl-C")
    parser.add_argument("--port", type=int, help="of the gateway; else any free one")
    parser.add_argument("--baseline", type=float, default=5.0, help="seconds of the healthy shop first")
    parser.add_argument("--directory", type=Path, help="for its files, which are kept then")
    parser.add_argument("--tracing", action="store_true", help="spans to OTEL_EXPORTER_OTLP_ENDPOINT")
    parser.add_argument("--deep", action="store_true", help="with a third service, which has the payments' faults")
    parser.add_argument("--no-metrics", action="store_true", help="without the page of metrics")
    arguments = parser.parse_args(words)
    signal.signal(signal.SIGTERM, _end)
    try:
        with Lab(
            arguments.fault,
            directory=arguments.directory,
            port=arguments.port,
            rate=arguments.rate,
            tracing=arguments.tracing,
            metrics=not arguments.no_metrics,
            deep=arguments.deep,
            baseline_s=arguments.baseline,
        ) as lab:
            _watch(lab, arguments.seconds)
            print("\n".join(lines(lab.truth())))
    except KeyboardInterrupt:
        print("stopped before the shop was ready", file=sys.stderr)
        return 130
    except FaultUnavailable as error:
        print(f"this machine cannot make that fault: {error}", file=sys.stderr)
        return 3
    return 0


def lines(truth: Truth) -> list[str]:
    """The truth for a person."""
    told = [
        f"visitors: {truth.mean_ms:.1f} ms on average of {truth.n} ({truth.failed} failed); "
        f"healthy {truth.healthy_ms:.1f} ms; {truth.injected_ms:+.1f} ms",
        *(f"timers:   {fault} {ms:+.1f} ms a request" for fault, ms in truth.injected.items()),
    ]
    told += [f"route:    {route} {times.mean_ms:.1f} ms, n={times.n}" for route, times in truth.routes.items()]
    return told


def _watch(lab: Lab, seconds: float | None) -> None:
    """From the moment in which its addresses are told, Ctrl-C ends the shop in the ordinary way."""
    try:
        for name, url in lab.urls.items():
            print(f"{name:12} {url}", flush=True)
        time.sleep(SETTLE_S)
        lab.mark()
        if seconds is not None:
            time.sleep(seconds)
        while seconds is None:
            time.sleep(3600.0)
    except KeyboardInterrupt:
        print("\nstopping the shop", flush=True)


def _end(signal_number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signal_number)


if __name__ == "__main__":
    sys.exit(main())
