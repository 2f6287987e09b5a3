from __future__ import annotations

import string

import postgast
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unslow.evidence.queries import Queries, Statement, Wait
from unslow.measure.statements import lifetime_mean_s, per_request, repeated_look_ups, shape, wait_shares


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SELECT * FROM t WHERE a = 'x' AND b IN (1, 2)", "SELECT * FROM t WHERE a = $1 AND b IN ($2, $3)"),
        ("SELECT * FROM t WHERE a = $1 LIMIT $2", "SELECT * FROM t WHERE a = $1 LIMIT $2"),
        ("SELECT a FROM t -- secret\n /* token=1 */ ORDER BY 1", "SELECT a FROM t ORDER BY 1"),
        ("SELECT a FROM t WHERE a IN ($1 /*, ... */)", "SELECT a FROM t WHERE a IN ($1)"),
        ('SELECT "it\'s" FROM t', 'SELECT "it\'s" FROM t'),
        ("SELECT 'é', x FROM t WHERE y = 'ü'", "SELECT $1, x FROM t WHERE y = $2"),
        ("ALTER ROLE bob PASSWORD 'secret'", "ALTER ROLE bob PASSWORD $1"),
        ("EXECUTE p(42, 'secret')", "EXECUTE p(?, ?)"),
        ("COPY t FROM '/home/bob/secret.csv'", "COPY t FROM ?"),
        ("DO $$ BEGIN PERFORM 'secret'; END $$", "DO $1"),
        ("NOTIFY c, 'secret'", "NOTIFY c, $1"),
        # What the parser refuses: cut short, other placeholders.
        ("SELECT * FROM t WHERE a = 'secre", "SELECT * FROM t WHERE a = ?"),
        ("SELECT * FROM t WHERE a = E'it\\'s secret", "SELECT * FROM t WHERE a = ?"),
        ("SELECT * FROM t WHERE a = $$secret", "SELECT * FROM t WHERE a = ?"),
        ("SELECT 'a', 17, col1, $2 FROM t WHERE", "SELECT ?, ?, col1, $2 FROM t WHERE"),
        ("SELECT * FROM t WHERE a = %s AND b = 'secret'", "SELECT * FROM t WHERE a = %s AND b = ?"),
        ("SELECT 1 /* secret", "SELECT ?"),
        ("", ""),
    ],
)
def test_shape(text: str, shown: str) -> None:
    assert shape(text) == shown


@given(st.text(string.ascii_letters + "'$\\\" é", min_size=1).map(lambda text: "Zq9" + text), st.integers(0, 60))
def test_no_literal_survives_even_when_the_statement_is_cut(secret: str, cut: int) -> None:
    literal = "'" + secret.replace("'", "''").replace("\\", "") + "'"
    text = f"SELECT a FROM t WHERE b = {literal} AND c = 12345678 ORDER BY d"
    for each in (text, text[: len(text) - cut]):
        assert "Zq9" not in shape(each)
        assert "12345678" not in shape(each)


@given(st.integers(), st.text(string.ascii_letters))
def test_one_shape_whatever_the_literals(number: int, word: str) -> None:
    text = f"SELECT a FROM t WHERE b = {abs(number)} AND c = '{word}'"
    assert shape(text) == "SELECT a FROM t WHERE b = $1 AND c = $2"
    assert postgast.fingerprint(shape(text)).hex == postgast.fingerprint(text).hex


def statement(query_id: str, calls: float, exec_s: float, **more: float) -> Statement:
    return Statement(query_id=query_id, text=f"SELECT {query_id}", calls=calls, exec_s=exec_s, rows=calls, **more)


def queries(*statements: Statement, seconds: float = 10.0) -> Queries:
    return Queries(address="127.0.0.1:5432", version="15", seconds=seconds, statements=statements)


def test_figures_of_one_request() -> None:
    seen = queries(
        statement("a", 20, 0.5, lifetime_calls=1000, lifetime_exec_s=5.0),
        statement("b", 700, 0.07),
        statement("c", 0, 0),
    )
    first, second = per_request(seen, rate_per_s=2.0)
    assert (first.query_id, first.calls, first.exec_s, first.mean_s) == ("a", 1.0, 0.025, 0.025)
    assert first.before_mean_s == 0.005
    assert (second.query_id, second.calls, second.before_mean_s) == ("b", 35.0, None)


def test_without_counters_or_a_rate_there_are_no_figures() -> None:
    assert per_request(queries(statement("a", 1, 1)), rate_per_s=0.0) == ()
    assert per_request(Queries(address="", version="", seconds=10.0), rate_per_s=5.0) == ()


def test_many_cheap_calls_are_look_ups_and_many_slow_ones_are_not() -> None:
    seen = queries(
        statement("cheap", 230, 0.1),
        statement("slow", 230, 23.0),
        statement("few", 90, 0.01),
        statement("more", 400, 0.1),
    )
    found = repeated_look_ups(per_request(seen, rate_per_s=1.0))
    assert [(each.query_id, each.calls) for each in found] == [("more", 40.0), ("cheap", 23.0)]


def test_just_under_ten_calls_is_not_many() -> None:
    seen = queries(statement("a", 99, 0.01), statement("b", 100, 0.01))
    assert [each.query_id for each in repeated_look_ups(per_request(seen, rate_per_s=1.0))] == ["b"]


def test_mean_over_the_life_before() -> None:
    assert lifetime_mean_s(statement("a", 1, 1, lifetime_calls=4, lifetime_exec_s=2.0)) == 0.5
    assert lifetime_mean_s(statement("a", 1, 1)) is None


def wait(state: str, kind: str, mean: float) -> Wait:
    return Wait(state=state, wait_type=kind, wait_event="", query_id="", text="", mean=mean)


def test_shares_of_wait_types_leave_out_idle_transactions() -> None:
    waits = [
        wait("active", "Lock", 3.0),
        wait("active", "", 0.5),
        wait("active", "", 0.5),
        wait("idle in transaction", "Client", 9.0),
    ]
    assert wait_shares(waits) == {"": 0.25, "Lock": 0.75}
    assert wait_shares([]) == {}
