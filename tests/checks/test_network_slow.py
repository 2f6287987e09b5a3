from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line, peer, sockets

BETWEEN = "between here and billing"
ADDRESS = "127.0.0.1:9000"


def test_the_called_server_is_idle_meanwhile() -> None:
    found = finds(
        "network_slow",
        80.0,
        account=account(line("network", BETWEEN, 80.0, detail=ADDRESS)),
        sockets=sockets(peer(busy_mean=0.05, hops=("socat",))),
    )
    assert "socat" in found.because


def test_a_normal_way() -> None:
    is_clear("network_slow", account=account(line("network", BETWEEN, 3.0, detail=ADDRESS)), sockets=sockets(peer()))


def test_slow_names_are_another_cause() -> None:
    is_clear("network_slow", account=account(line("network", "DNS look-ups", 80.0)), sockets=sockets(peer()))
