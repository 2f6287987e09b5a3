from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line, peer, queries, sockets
from unslow.measure.in_app import FIXED_PLACE

CONNECT = FIXED_PLACE["connect"]


def test_each_request_connects() -> None:
    found = finds(
        "connection_churn",
        45.0,
        account=account(line("network", CONNECT, 45.0)),
        queries=queries(connections_opened_per_s=60.0),
    )
    assert "3.0 new connections a request" in found.because


def test_now_and_then_a_connection() -> None:
    is_clear("connection_churn", account=account(line("network", CONNECT, 4.0)), sockets=sockets(peer("postgresql")))


def test_waiting_for_a_pooled_connection_is_not_opening_one() -> None:
    is_clear(
        "connection_churn", account=account(line("db pool wait", "waiting for a pooled database connection", 60.0))
    )
