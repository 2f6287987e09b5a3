from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line, peer, queries, sockets, statement

TEXT = "SELECT * FROM author WHERE id = $1"
ON_IT = line("db query", TEXT, 50.0, detail="1")


def test_the_same_cheap_statement_many_times() -> None:
    found = finds("n_plus_one", 50.0, account=account(ON_IT), queries=queries(statement("1", TEXT, 23 * 200, 0.4)))
    assert "23 calls a request" in found.because


def test_nine_calls() -> None:
    is_clear("n_plus_one", account=account(ON_IT), queries=queries(statement("1", TEXT, 9 * 200, 0.4)))


def test_one_slow_call() -> None:
    is_clear("n_plus_one", account=account(ON_IT), queries=queries(statement("1", TEXT, 200, 10.0)))


def test_kernel_counts_without_a_database_login() -> None:
    chatty = sockets(peer("postgresql", requests_per_s=60 * 20.0))
    finds("n_plus_one", 50.0, account=account(ON_IT), sockets=chatty)
    is_clear("n_plus_one", account=account(ON_IT), sockets=sockets(peer("postgresql", requests_per_s=4 * 20.0)))
