from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line, peer, sockets
from unslow.ranking import SURE_ENOUGH


def test_a_call_that_dominates() -> None:
    found = finds(
        "slow_downstream",
        70.0,
        account=account(line("downstream", "calls to billing", 70.0, detail="127.0.0.1:9000")),
        sockets=sockets(peer(busy_mean=1.4)),
    )
    assert found.confidence < SURE_ENOUGH, "a queue is not the consequence of what may be normal"


def test_a_normal_call_without_a_reference() -> None:
    is_clear("slow_downstream", account=account(line("downstream", "calls to billing", 24.0)), sockets=sockets(peer()))


def test_a_call_that_was_always_that_slow() -> None:
    is_clear(
        "slow_downstream",
        account=account(line("downstream", "calls to billing", 70.0, 68.0), before_ms=98.0),
        sockets=sockets(peer()),
    )


def test_the_way_is_not_the_work() -> None:
    is_clear("slow_downstream", account=account(line("network", "between here and billing", 70.0, detail="x")))
