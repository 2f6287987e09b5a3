"""Captures packet headers with tcpdump, at most so many seconds, packets and bytes, and keeps them until they are read.

Arguments: seconds, packets, snap length, keep seconds, filter words. The file is in /tmp of this container alone; the
last line of the output says its length and SHA-256. Everything ends by itself `keep` seconds later.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

FILE = "/tmp/unslow.pcap"
MOST_BYTES = 32 * 1024 * 1024


def main(seconds, packets, snap, keep, words):
    signal.alarm(seconds + keep + 5)
    os.umask(0o077)
    command = ["tcpdump", "-i", "any", "-n", "-p", "-U", "-s", str(snap), "-c", str(packets), "-w", FILE, *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
        if os.path.exists(FILE) and os.path.getsize(FILE) > MOST_BYTES:
            break
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=5)
    if not os.path.exists(FILE) or not os.path.getsize(FILE):
        print(json.dumps({"error": told.strip().splitlines()[-1] if told.strip() else "tcpdump wrote nothing"}))
        return 1
    with open(FILE, "rb") as file:
        content = file.read()
    proof = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "told": told.strip().splitlines()[-4:]}
    print(json.dumps(proof), flush=True)
    time.sleep(keep)
    return 0


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:5]), sys.argv[5:]))
