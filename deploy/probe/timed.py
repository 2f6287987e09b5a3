"""Times DNS, TCP, TLS and HTTP to each URL given, and prints one JSON line for each. Standard library only.

It runs inside a container: as a file of the debug image, or handed to that container's own Python (3.7 or later) on its
standard input. It ends by itself: each step has a limit, and the whole has one.
"""

import json
import os
import signal
import socket
import ssl
import sys
import threading
import time
from urllib.parse import urlsplit

STEP_S = 5.0
WHOLE_S = 25


def lookup(host, port, family=socket.AF_UNSPEC):
    """Addresses and milliseconds. The C library cannot be interrupted: a thread is left behind when it takes too long."""
    answer = []

    def ask():
        try:
            answer.append(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))
        except OSError as error:
            answer.append(error)

    started = time.perf_counter()
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(STEP_S)
    took_ms = (time.perf_counter() - started) * 1e3
    if not answer:
        raise OSError("no answer from DNS in %g s" % STEP_S)
    if isinstance(answer[0], OSError):
        raise answer[0]
    return sorted({one[4][0] for one in answer[0]}), took_ms


def timed(url):
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    found = {"url": url, "host": parts.hostname, "port": port}
    line = None
    stage = "dns"
    try:
        addresses, found["dns_ms"] = lookup(parts.hostname, port)
        found["addresses"] = addresses
        stage = "tcp"
        started = time.perf_counter()
        line = socket.create_connection((addresses[0], port), STEP_S)
        found["tcp_ms"] = (time.perf_counter() - started) * 1e3
        if parts.scheme == "https":
            stage = "tls"
            started = time.perf_counter()
            line = ssl.create_default_context().wrap_socket(line, server_hostname=parts.hostname)
            found["tls_ms"] = (time.perf_counter() - started) * 1e3
        if parts.scheme in ("http", "https"):
            stage = "http"
            path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
            request = "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: unslow\r\nConnection: close\r\n\r\n"
            started = time.perf_counter()
            line.sendall((request % (path, parts.netloc)).encode())
            first = line.recv(65536)
            found["first_byte_ms"] = (time.perf_counter() - started) * 1e3
            found["status"] = int(first.split(None, 2)[1])
            while line.recv(65536):
                pass
            found["http_ms"] = (time.perf_counter() - started) * 1e3
    except (OSError, ValueError, IndexError) as error:
        found["failed"] = stage
        found["error"] = str(error) or type(error).__name__
    finally:
        if line is not None:
            line.close()
    return found


def main(urls, times):
    signal.alarm(WHOLE_S)
    for url in urls:
        for _ in range(times):
            print(json.dumps(timed(url)), flush=True)


if __name__ == "__main__":
    words = sys.argv[1:]
    count = 1
    if words and words[0].isdigit():
        count = int(words.pop(0))
    main(words, count)
    sys.stdout.flush()
    os._exit(0)  # a thread that still waits for DNS must not keep the process
