"""Times DNS, TCP, TLS and HTTP to each URL given, and prints one JSON line for each. Standard library only.

It runs inside a container: as a file of the debug image, or handed to that container's own Python (3.7 or later) on its
standard input. It ends by itself: each step has a limit, and the whole has one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit

STEP_S = 5.0
WHOLE_S = 25


def lookup(host: str, port: int) -> tuple[list[str], float]:
    """Addresses and milliseconds. The C library cannot be interrupted: its thread is left behind when it takes long."""
    answer: list[Any] = []

    def ask() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM))
        except OSError as error:
            answer.append(error)

    started = time.perf_counter()
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(STEP_S)
    took_ms = (time.perf_counter() - started) * 1e3
    if not answer:
        raise OSError(f"no answer in {STEP_S:g} s")
    if isinstance(answer[0], OSError):
        raise answer[0]
    return sorted({one[4][0] for one in answer[0]}), took_ms


def timed(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    found: dict[str, Any] = {"url": url, "host": host}
    line: socket.socket | None = None
    stage = "dns"
    try:
        found["addresses"], found["dns_ms"] = lookup(host, port)
        stage = "tcp"
        started = time.perf_counter()
        line = socket.create_connection((found["addresses"][0], port), STEP_S)
        found["tcp_ms"] = (time.perf_counter() - started) * 1e3
        if parts.scheme == "https":
            stage = "tls"
            started = time.perf_counter()
            line = ssl.create_default_context().wrap_socket(line, server_hostname=host)
            found["tls_ms"] = (time.perf_counter() - started) * 1e3
        if parts.scheme in ("http", "https"):
            stage = "http"
            ask(line, parts.path or "/", parts.netloc, found)
    except (OSError, ValueError, IndexError) as error:
        found["failed"] = stage
        found["error"] = str(error) or type(error).__name__
    finally:
        if line is not None:
            line.close()
    return found


def ask(line: socket.socket, path: str, host: str, found: dict[str, Any]) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: unslow\r\nConnection: close\r\n\r\n"
    started = time.perf_counter()
    line.sendall(request.encode())
    first = line.recv(65536)
    found["first_byte_ms"] = (time.perf_counter() - started) * 1e3
    found["status"] = int(first.split(None, 2)[1])
    while line.recv(65536):
        pass
    found["http_ms"] = (time.perf_counter() - started) * 1e3


def main(words: list[str]) -> None:
    """Arguments: how often, then URLs."""
    signal.alarm(WHOLE_S)
    for url in words[1:]:
        for _ in range(int(words[0])):
            print(json.dumps(timed(url)), flush=True)
    sys.stdout.flush()
    os._exit(0)  # a thread that still waits for a name must not keep the process


if __name__ == "__main__":
    main(sys.argv[1:])
