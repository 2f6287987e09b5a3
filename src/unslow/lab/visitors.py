"""The shop's visitors: an open-loop load in a process of its own. Appends `due seconds route` to a file."""

from __future__ import annotations

import asyncio
import math
import random
import sys
import time
from pathlib import Path

OTHER_ROUTES = ("/products", "/health")
OTHER_SHARE = 0.1
TIMEOUT_S = 30.0


async def visit(port: int, path: str, due: float, out: Path) -> None:
    """One request over a connection of its own; its time counts from when it was due."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), TIMEOUT_S)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), TIMEOUT_S)
        writer.close()
        ok = b" 200 " in answer[:20]
    except (OSError, TimeoutError):
        ok = False
    with out.open("a") as file:
        file.write(f"{due:.6f} {time.time() - due:.6f} {path} {int(ok)}\n")


async def main(port: int, path: str, rate: float, out: Path) -> None:
    chance = random.Random(11)
    due = time.time()
    running = set()
    while True:
        due += -math.log(1 - chance.random()) / rate
        await asyncio.sleep(max(0.0, due - time.time()))
        route = chance.choice(OTHER_ROUTES) if chance.random() < OTHER_SHARE else path
        task = asyncio.create_task(visit(port, route, due, out))
        running.add(task)
        task.add_done_callback(running.discard)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), Path(sys.argv[4])))
