"""A real Prometheus over generated history: blocks by promtool, then a server on a free port of this machine."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def serving(open_metrics: Path) -> Iterator[str]:
    """The address of a server that holds these samples; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="unslow-prometheus-") as made:
        here = Path(made)
        subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(open_metrics), str(here / "data")],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (here / "prometheus.yml").write_text("global: {scrape_interval: 15s}\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        server = subprocess.Popen(
            ["prometheus", f"--config.file={here}/prometheus.yml", f"--storage.tsdb.path={here}/data",
             "--storage.tsdb.retention.time=100y", f"--web.listen-address={address}", "--log.level=error"],
        )  # fmt: skip
        try:
            for _ in range(300):
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/-/ready", timeout=2):
                    break
                time.sleep(0.2)
            yield f"http://{address}"
        finally:
            server.terminate()
            server.wait(30)
