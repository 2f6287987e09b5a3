from __future__ import annotations

import pytest

from tests.checks.verbs import peer, queries, sockets, statement
from unslow.measure.repeated import repeated_statements, round_trips_per_request

TEXT = "SELECT name FROM author WHERE id = $1"


def test_calls_per_request() -> None:
    ((found, calls),) = repeated_statements(queries(statement("1", TEXT, 4600, 0.4)), 20.0, 10)
    assert (found.query_id, calls) == ("1", pytest.approx(23.0))


@pytest.mark.parametrize("text", ["BEGIN", "commit", "SET search_path = x", "ROLLBACK TO SAVEPOINT a"])
def test_transaction_control_is_no_question(text: str) -> None:
    assert repeated_statements(queries(statement("1", text, 4600, 0.4)), 20.0, 10) == ()


def test_a_column_called_like_a_command_is_a_question() -> None:
    assert repeated_statements(queries(statement("1", "SELECT begin FROM shift", 4600, 0.4)), 20.0, 10)


def test_without_a_rate_nothing_is_said() -> None:
    assert repeated_statements(queries(statement("1", TEXT, 4600, 0.4)), 0.0, 10) == ()


def test_round_trips_from_the_kernel() -> None:
    chatty = sockets(peer("postgresql", requests_per_s=600.0), peer("http", requests_per_s=99.0))
    assert round_trips_per_request(chatty, 20.0) == 30.0
    assert round_trips_per_request(sockets(peer("postgresql")), 20.0) is None
    assert round_trips_per_request(None, 20.0) is None
    assert round_trips_per_request(chatty, None) is None
