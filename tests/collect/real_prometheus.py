"""A real Prometheus over a page that the test writes, and native histograms in the only format that carries them."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import socket
import struct
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*made, value))


def _field(number: int, value: int | float | bytes | str) -> bytes:
    if isinstance(value, float):
        return _varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def native(
    name: str, labels: dict[str, str], count: int, total: float, first: int, buckets: Sequence[int], schema: int = 0
) -> bytes:
    """One delimited MetricFamily; bucket `first` + i of `schema` 0 reaches to 2 ** (first + i)."""
    deltas = [now - before for before, now in zip((0, *buckets), buckets, strict=False)]
    histogram = (
        _field(1, count) + _field(2, total) + _field(5, _zigzag(schema)) + _field(6, 1e-9) + _field(7, 0)
        + _field(12, _field(1, _zigzag(first)) + _field(2, len(buckets)))
        + _field(13, b"".join(_varint(_zigzag(delta)) for delta in deltas))
    )  # fmt: skip
    pairs = b"".join(_field(1, _field(1, key) + _field(2, value)) for key, value in labels.items())
    family = _field(1, name) + _field(2, "x") + _field(3, 4) + _field(4, pairs + _field(7, histogram))
    return _varint(len(family)) + family


@contextlib.contextmanager
def page(body: Callable[[], bytes], content_type: str) -> Iterator[int]:
    """The port of a page."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made = body()
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(made)))
            self.end_headers()
            self.wfile.write(made)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def prometheus(
    folder: Path, scraped: int, *flags: str, scheme: str = "http", rules: Sequence[str] = ()
) -> Iterator[str]:
    """The address of a server that scrapes 127.0.0.1:`scraped` every second as job `web`."""
    if shutil.which("prometheus") is None:
        pytest.skip("no prometheus here (Debian package prometheus)")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": list(rules),
        "scrape_configs": [{"job_name": "web", "static_configs": [{"targets": [f"127.0.0.1:{scraped}"]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address={address}", "--log.level=warn", *flags],
            stderr=log,
        )  # fmt: skip
        try:
            _answers(server, address, folder, scheme)
            yield f"{scheme}://{address}"
        finally:
            server.terminate()
            server.wait(30)


def _answers(server: subprocess.Popen[bytes], address: str, folder: Path, scheme: str) -> None:
    host, _, port = address.partition(":")
    for _ in range(300):
        if server.poll() is not None:
            pytest.fail(f"prometheus ended: {(folder / 'log').read_text()[-500:]}")
        with contextlib.suppress(OSError):
            if scheme == "https":
                socket.create_connection((host, int(port)), 2).close()
            else:
                urllib.request.urlopen(f"http://{address}/-/ready", timeout=2).close()
            return
        time.sleep(0.1)
    pytest.fail("prometheus did not become ready")
