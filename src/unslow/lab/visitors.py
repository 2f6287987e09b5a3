"""The shop's visitors: an open-loop load in a process of its own.

Appends `due seconds route answered` to a file for each visit. Arguments: port, file, then `route=rate`
for each stream of visits; each is a Poisson process of its own. `SHOP_HOST` names another machine than this one.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import sys
import time
from pathlib import Path
from typing import TextIO

TIMEOUT_S = 30.0
HOST = os.environ.get("SHOP_HOST", "127.0.0.1")


async def visit(port: int, path: str, due: float, out: TextIO) -> None:
    """One request over a connection of its own; its time counts from when it was due."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(HOST, port), TIMEOUT_S)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), TIMEOUT_S)
        writer.close()
        ok = b" 200 " in answer[:20]
    except (OSError, TimeoutError):
        ok = False
    out.write(f"{due:.6f} {time.time() - due:.6f} {path} {int(ok)}\n")


async def stream(port: int, path: str, rate: float, out: TextIO) -> None:
    chance = random.Random(path)
    due = time.time()
    running = set()
    while True:
        due += -math.log(1 - chance.random()) / rate
        await asyncio.sleep(max(0.0, due - time.time()))
        task = asyncio.create_task(visit(port, path, due, out))
        running.add(task)
        task.add_done_callback(running.discard)


async def main(port: int, out: Path, routes: dict[str, float]) -> None:
    with out.open("a", buffering=1) as file:
        await asyncio.gather(*(stream(port, path, rate, file) for path, rate in routes.items()))


if __name__ == "__main__":
    rates = dict(word.rsplit("=", 1) for word in sys.argv[3:])
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), {path: float(rate) for path, rate in rates.items()}))
