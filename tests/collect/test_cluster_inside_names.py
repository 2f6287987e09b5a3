from __future__ import annotations

import socket
import threading
import time

import pytest

from unslow.collect import cluster_inside_names
from unslow.collect.cluster_inside_names import Names, resolver


def test_the_last_line_of_a_kind_counts() -> None:
    text = "nameserver 10.96.0.10\nsearch a.svc b.svc c\noptions ndots:2 timeout:1\noptions ndots:5\n"
    assert resolver(text) == (5, 3)
    assert resolver("") == (1, 0)


def test_times_failures_and_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = threading.Event()

    def getaddrinfo(name: str, *_: object, **__: object) -> list[object]:
        if name == "bad":
            raise socket.gaierror(-2, "not known")
        if name == "slow":
            hang.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(cluster_inside_names, "EVERY_S", 0.01)
    monkeypatch.setattr(cluster_inside_names, "LATE_S", 0.05)
    names = Names(["good", "bad", "slow"])
    names.start()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        time.sleep(0.2)
        good, bad, slow = names.result().lookups
        if good.times_s and bad.failures and slow.failures:
            break
    hang.set()
    assert good.failures == 0
    assert bad.failures == len(bad.times_s)
    assert (len(slow.times_s), slow.failures) == (1, 1)
    assert slow.times_s[0] > 0.05
