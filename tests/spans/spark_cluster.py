"""A real standalone Spark cluster on loopback: a master, two workers, each in its own Java process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE_S = 120.0


def need_spark() -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("java is not installed")


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """The URL of the master, once both workers have registered with it."""
    import pyspark

    home = Path(pyspark.__file__).parent
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> Path:
        log = folder / f"{name}.log"
        command = [str(home / "bin" / "spark-class"), *arguments]
        with log.open("wb") as out:
            started.append(subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=folder))
        return log

    try:
        master = start(
            "master", "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0"
        )
        url = _seen(master, r"Starting Spark master at (spark://\S+)")[0]
        for name in ("one", "two"):
            work = str(folder / name)
            options = ("--host", "127.0.0.1", "--webui-port", "0", "--cores", "1", "--memory", "1g", "--work-dir", work)
            start(name, "org.apache.spark.deploy.worker.Worker", *options, url)
        _seen(master, r"Registering worker", times=2)
        yield url
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(timeout=30)


def _seen(log: Path, pattern: str, times: int = 1) -> list[str]:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = re.findall(pattern, log.read_text(errors="replace"))
        if len(found) >= times:
            return [str(one) for one in found]
        time.sleep(0.2)
    raise AssertionError(f"{pattern!r} did not appear:\n{log.read_text(errors='replace')[-2000:]}")
