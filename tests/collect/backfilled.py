"""A real Prometheus that holds what a test writes down as OpenMetrics with times: a day of it takes no day."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.collect.real_prometheus import prometheus

END_S = 1_767_225_600.0
"""When the last sample was taken, about: midnight UTC of 2026-01-01."""

Series = Mapping[tuple[str, tuple[tuple[str, str], ...]], Callable[[float], float]]
"""Name and labels -> the value at so many seconds before the end."""


def series(name: str, value: Callable[[float], float], **labels: str) -> Series:
    return {(name, tuple(sorted(labels.items()))): value}


def rising(per_s: float, before: float = 1e6) -> Callable[[float], float]:
    """A counter."""
    return lambda ago_s: before - per_s * ago_s


def steady(value: float) -> Callable[[float], float]:
    return lambda _: value


def openmetrics(found: Series, seconds: float, step_s: float, end_s: float = END_S) -> str:
    """All samples of each series; without types, which the format allows."""
    steps = int(seconds / step_s)
    lines = []
    for (name, labels), value in sorted(found.items(), key=lambda one: one[0]):
        told = ",".join(f'{key}="{text}"' for key, text in labels)
        for at in range(steps, -1, -1):
            lines.append(f"{name}{{{told}}} {value(at * step_s)} {end_s - at * step_s:.0f}")
    return "\n".join([*lines, "# EOF", ""])


@contextlib.contextmanager
def knowing(
    folder: Path, found: Series, seconds: float = 600.0, step_s: float = 15.0, end_s: float = END_S
) -> Iterator[str]:
    """The address of a server with these series over the last `seconds` before `end_s`."""
    if shutil.which("promtool") is None:
        pytest.skip("no promtool here (Debian package prometheus)")
    text = folder / "samples.om"
    text.write_text(openmetrics(found, seconds, step_s, end_s))
    made = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "data")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    with prometheus(folder, 1, "--storage.tsdb.retention.time=100y") as address:
        yield address
