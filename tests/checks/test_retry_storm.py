from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line, peer, sockets

SLOW = line("downstream", "calls to billing", 80.0)


def test_calls_given_up() -> None:
    finds("retry_storm", 80.0, account=account(SLOW), sockets=sockets(peer(aborted_per_s=10.0)))


def test_a_few_calls_given_up() -> None:
    is_clear("retry_storm", account=account(SLOW), sockets=sockets(peer(aborted_per_s=1.0)))


def test_slow_answers_that_are_waited_for() -> None:
    is_clear("retry_storm", account=account(SLOW), sockets=sockets(peer(aborted_per_s=0.0, busy_mean=2.0)))
