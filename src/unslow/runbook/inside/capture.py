"""Captures packet headers with tcpdump, at most so many seconds, packets and bytes, and keeps them until they are read.

Arguments: seconds, packets, snap length, keep seconds, filter words. The file is in this container alone; the last line
of the output says its length and SHA-256. It ends when the file was taken away, at the latest `keep` seconds later.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

FILE = Path("/tmp/unslow.pcap")
MOST_BYTES = 32 * 1024 * 1024


def capture(seconds: int, packets: int, snap: int, words: list[str]) -> str:
    """What tcpdump said."""
    limits = ["-s", str(snap), "-c", str(packets)]
    command = ["tcpdump", "-i", "any", "-n", "-p", "-U", "-Z", "root", *limits, "-w", str(FILE), *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
        if FILE.exists() and FILE.stat().st_size > MOST_BYTES:
            break
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    return process.communicate(timeout=5)[1].strip()


def main(arguments: list[str]) -> int:
    seconds, packets, snap, keep = map(int, arguments[:4])
    signal.alarm(seconds + keep + 10)
    os.umask(0o077)
    told = capture(seconds, packets, snap, arguments[4:]).splitlines()
    if not FILE.exists() or not FILE.stat().st_size:
        print(json.dumps({"error": told[-1] if told else "tcpdump wrote nothing"}), flush=True)
        return 1
    content = FILE.read_bytes()
    proof = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "told": told[-3:]}
    print(json.dumps(proof), flush=True)
    until = time.monotonic() + keep
    while FILE.exists() and time.monotonic() < until:
        time.sleep(0.2)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
