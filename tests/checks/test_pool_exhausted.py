from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line, queries
from unslow.evidence.queries import Wait

WAIT = "waiting for a pooled database connection"


def test_requests_wait_in_the_pool() -> None:
    idle = Wait(
        state="idle in transaction", wait_type="Client", wait_event="ClientRead", query_id="", text="", mean=1.9
    )
    found = finds(
        "pool_exhausted", 55.0, account=account(line("db pool wait", WAIT, 55.0)), queries=queries(waits=(idle,))
    )
    assert "1.9 of them idle in a transaction" in found.because


def test_a_short_wait() -> None:
    is_clear("pool_exhausted", account=account(line("db pool wait", WAIT, 9.0)))


def test_opening_connections_is_not_waiting_for_them() -> None:
    is_clear("pool_exhausted", account=account(line("network", "opening connections to the database", 60.0)))
