from __future__ import annotations

import socket
import time

import pytest

from unslow.collect.discovery import find
from unslow.collect.memory import MemoryReader
from unslow.errors import Unavailable
from unslow.evidence.window import Window


def test_memory_of_this_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reader = MemoryReader(find(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
        before = time.time()
        reader.sample()
        grown = bytearray(b"x" * 64_000_000)
        memory = reader.result(Window(start_s=before, end_s=time.time() + 1))
        with pytest.raises(Unavailable):
            reader.result(Window(start_s=1.0, end_s=2.0))
        reader.close()
    assert memory.rss_bytes > len(grown)
    assert memory.swap_bytes >= 0
    assert memory.gc_readings == 1
    assert memory.limit_bytes is None or memory.limit_bytes > 0
