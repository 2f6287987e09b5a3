from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line, queries
from unslow.evidence.queries import Blocker, Wait

LOCKED = line("db lock wait", "waiting for a lock in the database", 60.0)


def test_sessions_wait_for_another_transaction() -> None:
    wait = Wait(state="active", wait_type="Lock", wait_event="transactionid", query_id="1", text="UPDATE", mean=1.2)
    blocker = Blocker(
        pid=7,
        state="idle in transaction",
        text="UPDATE stock",
        application="job",
        transaction_age_s=3.0,
        waiting_mean=1.2,
    )
    found = finds("lock_wait", 60.0, account=account(LOCKED), queries=queries(waits=(wait,), blockers=(blocker,)))
    assert "idle in transaction" in found.because


def test_a_short_lock() -> None:
    is_clear(
        "lock_wait", account=account(line("db lock wait", "waiting for a lock in the database", 8.0)), queries=queries()
    )


def test_a_slow_statement_that_does_not_wait() -> None:
    is_clear("lock_wait", account=account(line("db query", "SELECT 1", 60.0)), queries=queries())
